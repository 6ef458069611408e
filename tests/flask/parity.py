"""Replays the cases of parity.json to the real Flask stack.

    python tests/flask/parity.py

Needs what requirements.txt names. Ends with 1 if one answer is not as the file has it; `cargo test --test
parity` replays the same cases to Task API.
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import runpy
import sqlite3
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = json.loads((HERE / "parity.json").read_text())


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value):
    """A header or payload: JSON, or text as it is."""
    return base64url((value if isinstance(value, str) else json.dumps(value)).encode())


def token(change):
    """The token of parity.json with a case's changes."""
    usual = CORPUS["token"]
    claims = {**usual["claims"], **change.get("claims", {})}
    for name in change.get("without", []):
        del claims[name]
    signed = part(change.get("header", usual["header"])) + "." + part(change.get("payload", claims))
    key = change.get("key", CORPUS["key"])
    tag = base64url(hmac.digest(key.encode(), signed.encode(), hashlib.sha256))
    return f"{signed}.{change.get('tag', tag)}"


def application(config, loaders):
    """The tutorial's app on a database of its own; `loaders` are flask-jwt-extended's optional checks."""
    file, database = tempfile.mkstemp(suffix=".db")
    os.close(file)
    os.environ["DATABASE"] = database
    os.environ["JWT_SECRET_KEY"] = CORPUS["key"]
    for name, value in config.items():
        os.environ[f"FLASK_{name}"] = json.dumps(value)
    made = runpy.run_path(str(HERE / "app.py"))
    for name in config:
        del os.environ[f"FLASK_{name}"]
    with sqlite3.connect(database) as connection:
        connection.executescript("\n".join(CORPUS["rows"]))
    app = made["app"]
    if loaders:
        jwt = app.extensions["flask-jwt-extended"]
        jwt.user_lookup_loader(lambda _, claims: made["User"].query.filter_by(username=claims["sub"]).first())
        jwt.token_in_blocklist_loader(lambda _, claims: claims["jti"] in CORPUS["revoked"])
    return app, database


def send(app, case):
    """`json` is a body in JSON, `body` one as it is; `{token}` stands for the token."""
    text = token(case.get("token", {}))
    method, path = case["request"].replace("{token}", text).split(" ")
    headers = {name: value.replace("{token}", text) for name, value in case.get("headers", {}).items()}
    body = {"json": case["json"]} if "json" in case else {"data": case.get("body")}
    return app.test_client().open(path, method=method, headers=headers, **body)


def seen(answer, expected):
    """What an answer has in the places that `expected` names."""
    found = {"status": answer.status_code}
    if "body" in expected:
        body = answer.get_json(silent=True)
        found["body"] = {name: body.get(name) for name in expected["body"]} if isinstance(body, dict) else answer.text
    if "headers" in expected:
        found["headers"] = {name: header(answer, name, value) for name, value in expected["headers"].items()}
    return found


def header(answer, name, expected):
    """A header's value. The words of Flask's Allow are in another order in each process."""
    value = ", ".join(answer.headers.getlist(name)) or None
    is_the_same = name == "Allow" and sorted(value.split(", ")) == sorted(expected.split(", "))
    return expected if is_the_same else value


def main():
    # The stack's own account of the errors that the cases are about.
    logging.disable(logging.CRITICAL)
    failures = cases = 0
    for group in CORPUS["groups"]:
        for case in group["cases"]:
            app, database = application(group.get("flask_config", {}), group.get("loaders", False))
            found = seen(send(app, case), case["flask"])
            os.unlink(database)
            cases += 1
            if found != case["flask"]:
                failures += 1
                print(f"{group['about']}: {case['case']}\n  expected {case['flask']}\n  found    {found}")
    print(f"{cases} cases, {failures} of them not answered as parity.json has it")
    sys.exit(failures > 0)


main()
