"""Compares the patterns of an OpenAPI description in Python, RE2 and ECMAScript: all compile, match each text alike, and
accept and refuse the texts in patterns.json, as the program's own tests do with Rust. The argument is the description."""

import json
import re
import subprocess
import sys
from pathlib import Path

import re2

HERE = Path(__file__).parent


def patterns(value):
    """All patterns in a JSON value."""
    if isinstance(value, dict):
        if isinstance(value.get("pattern"), str):
            yield value["pattern"]
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from patterns(member)


def schema_at(document, pointer):
    for name in pointer.split("/")[1:]:
        name = name.replace("~1", "/")
        document = document[int(name) if isinstance(document, list) else name]
    return document


document = json.loads(Path(sys.argv[1]).read_text())
cases = [(pattern, []) for pattern in sorted(set(patterns(document)))]
assert len(cases) >= 8, cases

# Each character of the first planes' scripts, and of every kind beyond, alone and within a text.
characters = [chr(c) for c in [*range(0x3100), 0xFEFF, 0xFFFD, 0x1F600, 0x1107F, 0xE0100, 0x10FFFF]]
for _, texts in cases:
    texts += [around % c for around in ["%s", "a%sb", "%sb", "a%s", "%s@b", "a@%s"] for c in characters]
for named in json.loads((HERE / "patterns.json").read_text()).values():
    pattern = schema_at(document, named["at"])["pattern"]
    cases.append((pattern, named["valid"] + named["refused"]))
    named["expected"] = [True] * len(named["valid"]) + [False] * len(named["refused"])
    for language in (re, re2):
        found = [bool(language.search(pattern, text)) for text in named["valid"] + named["refused"]]
        assert found == named["expected"], (language, pattern, list(zip(cases[-1][1], found)))

node = subprocess.run(["node", HERE / "patterns.mjs"], input=json.dumps(cases), capture_output=True, text=True, check=True)
for (pattern, texts), by_flags in zip(cases, json.loads(node.stdout)):
    by_language = {
        "Python": [bool(re.search(pattern, text)) for text in texts],
        "RE2": [bool(re2.search(pattern, text)) for text in texts],
        **{f"ECMAScript {flags!r}": found for flags, found in zip(["", "u", "v"], by_flags)},
    }
    for language, found in by_language.items():
        # In Python `$` also matches before a line break at the end.
        unlike = [text for text, a, b in zip(texts, found, by_language["RE2"]) if a != b and not text.endswith("\n")]
        assert not unlike, f"{language} and RE2 disagree about {pattern} on {unlike[:10]!r}"
print(f"{len(cases)} patterns match alike in Python, RE2 and ECMAScript")
