"""Task API and the Flask app take turns on one file, and nobody loses an account or a session.

    python tests/flask/live.py target/release/task-api

Needs what requirements.txt names. Ends with 1 at the first answer that is not as it has to be.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PASSWORD = "correct horse battery"
KEY = "aStrongSecretKey"


def fail(text):
    sys.exit(f"tests/flask/live.py: {text}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """One of the two programs, while it runs."""

    def __init__(self, name, command, environment):
        self.name, self.port = name, free_port()
        command = [str(word).format(port=self.port) for word in command]
        self.log = tempfile.TemporaryFile()
        environment = os.environ | environment | {"PORT": str(self.port)}
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)

    def __enter__(self):
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.send("GET", "/hello")
                return self
            except OSError:
                time.sleep(0.05)
        self.process.kill()
        self.log.seek(0)
        fail(f"{self.name} does not answer:\n{self.log.read().decode(errors='replace')}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)

    def send(self, method, path, token=None, body=None):
        """Status and JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, body and json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def expect(self, status, *request, **others):
        found, body = self.send(*request, **others)
        print(f"{self.name}: {' '.join(request[:2])} {found}", flush=True)
        if found != status:
            fail(f"{self.name}: {request} is answered {found} instead of {status}: {body}")
        return body

    def sign_up(self, name, status):
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        self.expect(status, "POST", "/signup", body=body)

    def sign_in(self, name, status):
        body = {"email": f"{name}@example.com", "password": PASSWORD}
        return self.expect(status, "POST", "/login", body=body)["token"]

    def greets(self, name, token):
        if self.expect(200, "GET", "/hello", token=token)["user_name"] != name:
            fail(f"{self.name} takes {name} for somebody else")


def main():
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        database = f"{folder}/project.db"
        flask_command = [sys.executable, "-m", "flask", "--app", HERE / "app.py", "run", "--port", "{port}"]
        settings = {"DATABASE_URL": f"sqlite:///{database}", "JWT_SECRET_KEY": KEY, "ALLOW_WEAK_JWT_SECRET": "1"}

        def flask():
            return Server("Flask", flask_command, {"DATABASE": database})

        def ours():
            return Server("Task API", [binary], settings)

        # The Flask app answers a right password with 401, and a sign-up with 200.
        with flask() as server:
            server.sign_up("fred", 200)
            fred = server.sign_in("fred", 401)
            server.greets("fred", fred)
        with ours() as server:
            server.greets("fred", fred)
            fred_again = server.sign_in("fred", 200)
            server.sign_up("tina", 201)
            tina = server.sign_in("tina", 200)
        with flask() as server:
            for name, token in ("fred", fred), ("fred", fred_again), ("tina", tina):
                server.greets(name, token)
            # fred's hash is Task API's by now.
            server.sign_in("fred", 401)
            server.sign_in("tina", 401)
            server.sign_up("gus", 200)
            gus = server.sign_in("gus", 401)
        with ours() as server:
            for name, token in ("fred", fred), ("fred", fred_again), ("tina", tina), ("gus", gus):
                server.greets(name, token)
            server.sign_in("gus", 200)
        kept = sorted(path.name for path in Path(folder).glob("*.bak"))
        if len(kept) != 1:
            fail(f"one copy of the file should have been kept: {kept}")
    print("both programs serve everybody")


main()
