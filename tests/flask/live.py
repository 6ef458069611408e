"""Checks that Task API and the Flask app can run alternately on one database file.

No account and no session may be lost when one program is stopped and the other one is started.

    python tests/flask/live.py target/release/task-api

Needs the packages in requirements.txt. Exits with 1 at the first unexpected response.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
from ports import free_port  # noqa: E402

HERE = Path(__file__).resolve().parent
PASSWORD = "correct horse battery"
KEY = "aStrongSecretKey"


def fail(text):
    sys.exit(f"tests/flask/live.py: {text}")


class Server:
    """One of the two programs. It runs while this context manager is active."""

    def __init__(self, name, command, environment):
        self.name, self.port = name, free_port()
        command = [str(argument).format(port=self.port) for argument in command]
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
        fail(f"{self.name} does not respond:\n{self.log.read().decode(errors='replace')}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)

    def send(self, method, path, token=None, body=None):
        """Sends a request and returns the status and the JSON body of the response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, body and json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def expect(self, expected_status, *request, **options):
        status, body = self.send(*request, **options)
        print(f"{self.name}: {' '.join(request[:2])} {status}", flush=True)
        if status != expected_status:
            fail(f"{self.name}: the status of {request} is {status} instead of {expected_status}: {body}")
        return body

    def sign_up(self, name, status):
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        self.expect(status, "POST", "/signup", body=body)

    def sign_in(self, name, status):
        body = {"email": f"{name}@example.com", "password": PASSWORD}
        return self.expect(status, "POST", "/login", body=body)["token"]

    def check_hello(self, name, token):
        if self.expect(200, "GET", "/hello", token=token)["user_name"] != name:
            fail(f"{self.name}: /hello with the token of {name} names another user")


def main():
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        database = f"{folder}/project.db"
        flask_command = [sys.executable, "-m", "flask", "--app", HERE / "app.py", "run", "--port", "{port}"]
        settings = {"DATABASE_URL": f"sqlite:///{database}", "JWT_SECRET_KEY": KEY, "ALLOW_WEAK_JWT_SECRET": "1"}

        def flask():
            return Server("Flask", flask_command, {"DATABASE": database})

        def task_api():
            return Server("Task API", [binary], settings)

        # The Flask app responds to a correct password with 401, and to a sign-up with 200.
        with flask() as server:
            server.sign_up("fred", 200)
            fred = server.sign_in("fred", 401)
            server.check_hello("fred", fred)
        with task_api() as server:
            server.check_hello("fred", fred)
            fred_again = server.sign_in("fred", 200)
            server.sign_up("tina", 201)
            tina = server.sign_in("tina", 200)
        with flask() as server:
            for name, token in ("fred", fred), ("fred", fred_again), ("tina", tina):
                server.check_hello(name, token)
            # Task API replaced fred's password hash with its own when he signed in.
            server.sign_in("fred", 401)
            server.sign_in("tina", 401)
            server.sign_up("gus", 200)
            gus = server.sign_in("gus", 401)
        with task_api() as server:
            for name, token in ("fred", fred), ("fred", fred_again), ("tina", tina), ("gus", gus):
                server.check_hello(name, token)
            server.sign_in("gus", 200)
        backups = sorted(path.name for path in Path(folder).glob("*.bak"))
        if len(backups) != 1:
            fail(f"there must be one backup of the database file: {backups}")
    print("both programs accept every account and every token")


main()
