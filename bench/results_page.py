"""Writes a result into docs/benchmarks.md, and draws its charts."""

import json
import subprocess

import scenarios
from programs import AXUM, ROOT, TITLES, fail, virtual_environment

RESULTS_PAGE = ROOT / "docs" / "benchmarks.md"


def save(text, results):
    draw_charts(results)
    pictures = "".join(f"![{chart['title']}](../bench/{name}.svg)\n\n" for name, chart in charts(results).items())
    begin, end = "<!-- bench -->\n", "<!-- /bench -->"
    before, _, rest = RESULTS_PAGE.read_text().partition(begin)
    _, _, after = rest.partition(end)
    if not after:
        fail(f"{RESULTS_PAGE} has no {begin.strip()} ... {end} to put the result between")
    RESULTS_PAGE.write_text(f"{before}{begin}{pictures}{text}{end}{after}")


def charts(results):
    """Returns the charts by the names of their files."""
    hello = [scenarios.hello_label(connections) for connections in scenarios.HELLO_CONNECTIONS]
    posts = [scenarios.post_label(connections) for connections in scenarios.POST_CONNECTIONS]
    crowds = [scenarios.crowd_label(*crowd) for crowd in scenarios.CROWDS]
    relative = lambda label, name: results.ratio(label, name, AXUM)
    p99 = lambda label, name: results.median(label, name, "p99_ms")
    factor = lambda label, name: results.median(label, name, "factor")
    return {
        "reads": chart(results, "Reads per second, compared with the other servers", "responses per second, axum = 1",
                       [*hello, scenarios.LIST_LABEL], relative),
        "writes": chart(results, "Writes per second, compared with axum", "responses per second, axum = 1",
                        posts, relative),
        "latency": chart(results, "Response times of GET /hello beside other load", "99th percentile in milliseconds",
                         scenarios.BESIDE, p99, line=5),
        "sign-ins": chart(results, "Many people sign in at once",
                          "time until all are in, people × one hash ÷ cores = 1", crowds, factor),
    }


def chart(results, title, unit, labels, value, line=1):
    """Returns what bench/chart.py draws: a bar for each program that takes part in all scenarios."""
    is_complete = lambda name: all(value(label, name) is not None for label in labels)
    names = [program.name for program in results.programs if is_complete(program.name)]
    rows = [[value(label, name) for label in labels] for name in names]
    return {"title": title, "unit": unit, "labels": labels, "names": [TITLES[name] for name in names], "rows": rows,
            "line": line}


def draw_charts(results):
    python = virtual_environment("chart", "matplotlib==3.10.7")
    script = ROOT / "bench" / "chart.py"
    for name, values in charts(results).items():
        values["path"] = str(ROOT / "bench" / f"{name}.svg")
        subprocess.run([python, script], input=json.dumps(values), text=True, check=True)
