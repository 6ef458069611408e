"""The program and a proxy as processes, and an HTTP client, for the tests in this folder."""

import http.client
import json
import os
import subprocess
import sys
import time

PASSWORD = "correct horse battery"

# The beginning of an nginx configuration: one process in the foreground, with all its files in one folder. The rest of
# the `http` block follows.
NGINX_HEAD = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
"""


def fail(text):
    sys.exit(f"{os.path.relpath(sys.argv[0])}: {text}")


class Process:
    """A program in the background, which is killed when this context manager ends."""

    def __init__(self, command, log, environment=None):
        self.command, self.log, self.environment = command, log, environment
        self.start()

    def start(self):
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=output, stderr=output
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def last_lines(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def wait_until_ready(self, port):
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if Client(port).send("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        fail(f"{self.command[0]} is not ready:\n{self.last_lines()}")

    def restart(self, port):
        self.process.terminate()
        code = self.process.wait(20)
        if code != 0:
            fail(f"the server exits with {code}:\n{self.last_lines()}")
        self.start()
        self.wait_until_ready(port)


class Client:
    """A connection that is kept, from an address of its own: nginx sends each address to one process."""

    def __init__(self, port, token=None, address="127.0.0.1"):
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=60, source_address=(address, 0)
        )
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def send(self, method, path, body=None):
        """Returns the status, and the body as JSON or text."""
        response, content = self.exchange(method, path, body)
        is_json = response.headers.get_content_type() == "application/json"
        return response.status, json.loads(content) if is_json else content.decode()

    def exchange(self, method, path, body=None, **headers):
        """Returns the response, and the bytes of its body. Writes `If_Match` as `If-Match`."""
        headers = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self.connection.request(method, path, body and json.dumps(body), headers)
        response = self.connection.getresponse()
        return response, response.read()


def start_server(program, folder, port):
    environment = {
        "DATABASE_URL": f"sqlite:///{folder}/project.db",
        "PORT": str(port),
        "RATE_LIMITS": "off",
        "RUST_LOG": "warn",
        "PASSWORD_ITERATIONS": "1000",
        "TRUSTED_PROXIES": "127.0.0.1",
        "ADMIN_USERNAME": "grace",
        "ADMIN_EMAIL": "grace@example.com",
        "ADMIN_PASSWORD": PASSWORD,
    }
    server = Process([program], folder / f"{port}.log", environment)
    server.wait_until_ready(port)
    return server


def sign_in(port):
    """Returns an access token of the admin."""
    login = {"email": "grace@example.com", "password": PASSWORD}
    return Client(port).send("POST", "/login", login)[1]["token"]
