"""Sends the requests of parity.json to the real Flask stack and compares the responses.

    python tests/flask/parity.py

Needs the packages in requirements.txt. Exits with 1 if a response differs from the one in the file. The Rust
tests send the same requests to Task API.
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
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = json.loads((HERE / "parity.json").read_text())


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def segment(value):
    """Encodes the header or the payload of a token. A string is encoded as it is, any other value as JSON."""
    return base64url((value if isinstance(value, str) else json.dumps(value)).encode())


def token(change):
    """Returns the token of parity.json with the changes of a case."""
    default = CORPUS["token"]
    now = int(time.time())
    times = {name: now + seconds for name, seconds in default["seconds_from_now"].items()}
    claims = {**default["claims"], **times, **change.get("claims", {})}
    for name in change.get("without", []):
        del claims[name]
    signed = segment(change.get("header", default["header"])) + "." + segment(change.get("payload", claims))
    key = change.get("key", CORPUS["key"])
    tag = base64url(hmac.digest(key.encode(), signed.encode(), hashlib.sha256))
    return f"{signed}.{change.get('tag', tag)}"


def application(config, loaders):
    """Returns the tutorial's app and the path of its new database. `loaders` turns on the optional checks of
    flask-jwt-extended: that the user exists, and that the token is not revoked."""
    file, database = tempfile.mkstemp(suffix=".db")
    os.close(file)
    os.environ["DATABASE"] = database
    os.environ["JWT_SECRET_KEY"] = CORPUS["key"]
    for name, value in config.items():
        os.environ[f"FLASK_{name}"] = json.dumps(value)
    module = runpy.run_path(str(HERE / "app.py"))
    for name in config:
        del os.environ[f"FLASK_{name}"]
    with sqlite3.connect(database) as connection:
        connection.executescript("\n".join(CORPUS["rows"]))
    app = module["app"]
    if loaders:
        jwt = app.extensions["flask-jwt-extended"]
        jwt.user_lookup_loader(lambda _, claims: module["User"].query.filter_by(username=claims["sub"]).first())
        jwt.token_in_blocklist_loader(lambda _, claims: claims["jti"] in CORPUS["revoked"])
    return app, database


def send(app, case):
    """Sends the request of a case: `json` is a JSON body, `body` is a raw body, and `{token}` stands for the token."""
    text = token(case.get("token", {}))
    method, path = case["request"].replace("{token}", text).split(" ")
    headers = {name: value.replace("{token}", text) for name, value in case.get("headers", {}).items()}
    body = {"json": case["json"]} if "json" in case else {"data": case.get("body")}
    return app.test_client().open(path, method=method, headers=headers, **body)


def select(response, expected):
    """Returns the status of the response and those of its fields and headers that `expected` names."""
    actual = {"status": response.status_code}
    if "body" in expected:
        body = response.get_json(silent=True)
        is_object = isinstance(body, dict)
        actual["body"] = {name: body.get(name) for name in expected["body"]} if is_object else response.text
    if "headers" in expected:
        actual["headers"] = {name: header(response, name, value) for name, value in expected["headers"].items()}
    return actual


def header(response, name, expected):
    """Returns the value of a header. The order of the methods in Flask's Allow differs in each process, so any order
    counts as equal."""
    value = ", ".join(response.headers.getlist(name)) or None
    is_equal = name == "Allow" and sorted(value.split(", ")) == sorted(expected.split(", "))
    return expected if is_equal else value


def main():
    # The cases cause errors on purpose, and the Flask stack would log each of them.
    logging.disable(logging.CRITICAL)
    failures = cases = 0
    for group in CORPUS["groups"]:
        for case in group["cases"]:
            app, database = application(group.get("flask_config", {}), group.get("loaders", False))
            actual = select(send(app, case), case["flask"])
            os.unlink(database)
            cases += 1
            if actual != case["flask"]:
                failures += 1
                print(f"{group['about']}: {case['case']}\n  expected {case['flask']}\n  actual   {actual}")
    print(f"{cases} cases, {failures} with a response that differs from parity.json")
    sys.exit(failures > 0)


main()
