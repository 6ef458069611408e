"""Restarts two processes on one database behind nginx, one after the other, under load: no request may get a 502.

    python tests/nginx/rolling_restart.py target/release/task-api nginx

The arguments are the program and nginx. Clients read and create tasks through nginx meanwhile. A request may be
answered with 503 `stopping`, which says that nothing was done and when to come back; every other answer must be a
success, and every task that was acknowledged must be there at the end. Prints the counts. Exits with 1 otherwise.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

PASSWORD = "correct horse battery"
ROUNDS = 5
READERS, WRITERS = 4, 4

NGINX = """\
daemon off;
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
    upstream task_api {{
        hash $remote_addr consistent;
        server 127.0.0.1:{ports[0]} max_fails=0;
        server 127.0.0.1:{ports[1]} max_fails=0;
        keepalive 32;
        keepalive_timeout 50s;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://task_api;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $remote_addr;
        }}
    }}
}}
"""


def fail(text):
    sys.exit(f"tests/nginx/rolling_restart.py: {text}")


def free_ports(count):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


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
        headers = dict(self.headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        self.connection.request(method, path, body and json.dumps(body), headers)
        response = self.connection.getresponse()
        text = response.read()
        is_json = response.headers.get_content_type() == "application/json"
        return response.status, json.loads(text) if is_json else text.decode()


class Load:
    """Clients that read and create tasks until they are stopped."""

    def __init__(self, port, token):
        self.port, self.token = port, token
        self.answers, self.created, self.is_over = Counter(), [], False
        targets = [self.read] * READERS + [self.write] * WRITERS
        self.threads = [
            threading.Thread(target=target, args=[number], daemon=True)
            for number, target in enumerate(targets)
        ]
        for thread in self.threads:
            thread.start()

    def read(self, reader):
        client = Client(self.port, self.token, f"127.0.0.{reader + 2}")
        while not self.is_over:
            self.count("GET", *client.send("GET", "/tasks?limit=5"))

    def write(self, writer):
        client, number = Client(self.port, self.token, f"127.0.0.{writer + 2}"), 0
        while not self.is_over:
            title = f"task {writer} {number}"
            number += 1
            if self.count("POST", *client.send("POST", "/tasks", {"title": title})):
                self.created.append(title)

    def count(self, method, status, body):
        """Counts an answer, and returns whether it is a success."""
        code = body.get("code", "") if isinstance(body, dict) else body
        self.answers[method, status, code] += 1
        return status < 300

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()


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


def start_nginx(nginx, folder, port, ports):
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, ports=ports))
    process = Process([nginx, "-c", config, "-e", folder / "nginx.log"], folder / "nginx.out")
    process.wait_until_ready(port)
    return process


def main(program, nginx):
    with tempfile.TemporaryDirectory() as name:
        folder, (port, *ports) = Path(name), free_ports(3)
        folder.chmod(0o755)  # nginx's workers are another user's
        with (
            start_server(program, folder, ports[0]) as first,
            start_server(program, folder, ports[1]) as second,
            start_nginx(nginx, folder, port, ports),
        ):
            login = {"email": "grace@example.com", "password": PASSWORD}
            token = Client(port).send("POST", "/login", login)[1]["token"]
            time.sleep(0.1)  # A process sees the changes of another one after 20 ms at the latest.
            load = Load(port, token)
            for _ in range(ROUNDS):
                for server, own_port in zip((first, second), ports):
                    time.sleep(0.5)
                    server.restart(own_port)
            time.sleep(0.5)
            load.stop()
            missing = len(set(load.created) - titles(port, token))
    for (method, status, code), count in sorted(load.answers.items()):
        print(f"{method} {status} {code[:60]}: {count}")
    print(f"{2 * ROUNDS} restarts; {missing} of {len(load.created)} acknowledged tasks are missing")
    allowed = {(200, ""), (201, ""), (503, "stopping")}
    if missing or not {answer[1:] for answer in load.answers} <= allowed:
        fail("an answer is neither a success nor 503 stopping, or a task is missing")


def titles(port, token):
    """The titles of all tasks."""
    client, found, page = Client(port, token), set(), "/tasks?limit=100"
    while page:
        _, body = client.send("GET", page)
        found.update(task["title"] for task in body["items"])
        cursor = body["next_cursor"]
        page = cursor and f"/tasks?limit=100&cursor={cursor}"
    return found


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), sys.argv[2])
