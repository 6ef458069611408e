"""Restarts two processes on one database behind nginx, one after the other, under load: no request may get a 502.

    python tests/proxies/rolling_restart.py target/release/task-api nginx

The arguments are the program and nginx. Clients read and create tasks through nginx meanwhile. A request may be
answered with 503 `stopping`, which says that nothing was done and when to come back; every other answer must be a
success, and every task that was acknowledged must be there at the end. Prints the counts. Exits with 1 otherwise.
"""

import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from processes import NGINX_HEAD, Client, Process, fail, sign_in, start_server

sys.path.append(str(Path(__file__).resolve().parents[1]))
from ports import free_port  # noqa: E402

ROUNDS = 5
READERS, WRITERS = 4, 4
# The pause of a client after each response. SQLite's write lock is not fair: a process that writes without a pause
# can keep the other one from it for more than the 5 seconds that it waits.
PAUSE = 0.005

NGINX = NGINX_HEAD + """\
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
        time.sleep(PAUSE)
        return status < 300

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()


def start_nginx(nginx, folder, port, ports):
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, ports=ports))
    process = Process([nginx, "-c", config, "-e", folder / "nginx.log"], folder / "nginx.out")
    process.wait_until_ready(port)
    return process


def main(program, nginx):
    with tempfile.TemporaryDirectory() as name:
        folder, port, ports = Path(name), free_port(), [free_port(), free_port()]
        with (
            start_server(program, folder, ports[0]) as first,
            start_server(program, folder, ports[1]) as second,
            start_nginx(nginx, folder, port, ports),
        ):
            token = sign_in(port)
            time.sleep(0.1)  # A process sees the changes of another one after 20 ms at the latest.
            load = Load(port, token)
            for _ in range(ROUNDS):
                for server, own_port in zip((first, second), ports):
                    time.sleep(0.5)
                    server.restart(own_port)
            time.sleep(0.5)
            load.stop()
            missing = len(set(load.created) - titles(folder))
    for (method, status, code), count in sorted(load.answers.items()):
        print(f"{method} {status} {code[:60]}: {count}")
    print(f"{2 * ROUNDS} restarts; {missing} of {len(load.created)} acknowledged tasks are missing")
    allowed = {(200, ""), (201, ""), (503, "stopping")}
    if missing or not {answer[1:] for answer in load.answers} <= allowed:
        fail("an answer is neither a success nor 503 stopping, or a task is missing")


def titles(folder):
    """The titles of all tasks, from the database: a process may not yet see the last writes of the other one."""
    with sqlite3.connect(folder / "project.db") as database:
        return {title for (title,) in database.execute("SELECT title FROM task")}


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), sys.argv[2])
