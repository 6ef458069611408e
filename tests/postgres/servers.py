"""What the scripts of this folder share: PostgreSQL servers with standbys, servers of the program, and clients.

Everything that is started here ends with the context manager `Stage`.
"""

import argparse
import contextlib
import http.client
import importlib.machinery
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
from ports import free_port  # noqa: E402

PASSWORD = "correct horse battery"
TIMEOUT = 60


def load_cluster():
    """The module `cluster`, whose file is a program and so has no suffix."""
    path = str(Path(__file__).with_name("cluster"))
    loader = importlib.machinery.SourceFileLoader("cluster", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("cluster", loader))
    loader.exec_module(module)
    return module


cluster = load_cluster()


def fail(text):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {text}")


def check(condition, text):
    if not condition:
        fail(text)


def say(text):
    print(text, flush=True)


def wait_for(what, condition, timeout=TIMEOUT):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    fail(f"{what}: not within {timeout} s")


def outages(log):
    """The numbers of outages that begin and that end in a log. A worse fault has a line of its own in an outage."""
    begun = ended = 0
    is_out = False
    for line in log.splitlines():
        if "requests that write get 503" in line:
            begun, is_out = begun + (not is_out), True
        elif "the outage ended" in line:
            ended, is_out = ended + 1, False
    return [begun, ended]


def terminate(*_):
    sys.exit("terminated")


def parse_arguments(documentation, *more):
    """Parses BINARY, and the further arguments that `more` adds to the parser. SIGTERM ends what was started."""
    summary, _, rest = documentation.partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("binary", type=Path, help="task-api, built with the feature `postgres`")
    for add in more:
        add(parser)
    signal.signal(signal.SIGTERM, terminate)
    arguments = parser.parse_args()
    arguments.binary = arguments.binary.resolve()
    return arguments


class Postgres(cluster.Cluster):
    """A PostgreSQL server with data of its own, on a port that stays the same."""

    def __init__(self, port, settings=None):
        super().__init__()
        # Of all programs only initdb and pg_ctl may be in PATH, as links.
        self.programs = (self.programs / "initdb").resolve().parent
        self.port, self.settings = port, settings or {}

    def url(self, database="postgres", **parameters):
        return url_of([self], database, **parameters)

    def start(self):
        self.initialize()
        self.append("postgresql.conf", self.settings)
        return self.start_data()

    def start_data(self):
        log = self.folder / "server.log"
        done, output = self.run(
            "pg_ctl", "start", "--wait", "--silent", "--pgdata", self.data, "--log", log, "--options", f"-p {self.port}"
        )
        if not done:
            fail(f"PostgreSQL does not start: {output}{log.read_text(errors='replace') if log.exists() else ''}")
        return self

    def append(self, name, settings):
        with open(self.data / name, "a", encoding="utf-8") as file:
            file.writelines(f"{key} = '{value}'\n" for key, value in settings.items())

    def start_as_standby_of(self, primary):
        """Starts as a synchronous standby. If it is promoted it waits for no standby itself."""
        self.password = primary.password
        done, output = self.run(
            "pg_basebackup", "--pgdata", self.data, "--dbname", primary.url(), "--write-recovery-conf",
            "--wal-method=stream", "--checkpoint=fast", "--no-sync",
        )
        if not done:
            fail(f"pg_basebackup fails: {output}")
        self.append("postgresql.auto.conf", {"synchronous_standby_names": ""})
        self.start_data()
        primary.set("synchronous_standby_names", "*")
        sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        wait_for("the standby follows", lambda: primary.sql(sql) == "1")
        return self

    def set(self, name, value):
        self.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.sql("SELECT pg_reload_conf()")

    def sql(self, statement, database="postgres"):
        """Runs a statement, and returns its rows as lines with the columns separated by `|`."""
        done = subprocess.run(
            [self.programs / "psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", statement],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT,
        )
        check(done.returncode == 0, f"{statement}: {done.stderr}")
        return done.stdout.rstrip("\n")

    def promote(self):
        done, output = self.run("pg_ctl", "promote", "--wait", "--silent", "--pgdata", self.data)
        if not done:
            fail(f"pg_ctl promote fails: {output}")

    def postmaster(self):
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def children(self):
        """The ids of the processes of this server, without the postmaster."""
        parent, found = self.postmaster(), []
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    status = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                    if int(status[1]) == parent:
                        found.append(int(entry.name))
        return found

    def signal_all(self, number):
        """Sends a signal to the postmaster and its processes. It starts no further ones in between."""
        postmaster = self.postmaster()
        os.kill(postmaster, signal.SIGSTOP)
        for process in [*self.children(), postmaster]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        return postmaster

    def kill(self):
        """Ends the server as a power cut would."""
        postmaster = self.signal_all(signal.SIGKILL)
        wait_for("the death of the postmaster", lambda: not is_running(postmaster))
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self):
        if self.data.exists():
            super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def is_running(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def url_of(nodes, database="postgres", user="postgres", password=None, **parameters):
    """The URL of one database on one or several servers, or on a proxy with the port of one."""
    hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    password = password or nodes[0].password
    return f"postgres://{user}:{password}@{hosts}/{database}{'?' if query else ''}{query}"


def database_of(url):
    return url.partition("?")[0].rpartition("/")[2]


class Server:
    """A process of the program."""

    def __init__(self, binary, folder, url, **settings):
        self.binary, self.folder, self.port = binary, folder, free_port()
        self.log_path = folder / f"{self.port}-{secrets.token_hex(4)}.log"
        self.environment = {
            "DATABASE_URL": url,
            "PORT": str(self.port),
            # The keys are shared, as with secrets that are mounted on each machine.
            "JWT_SECRET_KEY": "the key of the servers under test",
            "KEYS_PATH": str(folder / f"keys-{database_of(url)}"),
            "RATE_LIMITS": "off",
            "RUST_LOG": "warn",
            "PASSWORD_ITERATIONS": "1000",
        } | settings
        # `None` leaves a variable out.
        self.environment = {name: value for name, value in self.environment.items() if value is not None}
        self.process = None

    def start(self, is_ready=True):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if is_ready:
            self.wait_until_ready()
        return self

    def wait_until_ready(self):
        def is_ready():
            check(self.process.poll() is None, f"the server ends with {self.process.poll()}:\n{self.log()}")
            with contextlib.suppress(OSError):
                return Client(self).send("GET", "/readyz").status == 200

        wait_for("/readyz is 200", is_ready)

    def command(self, *arguments, text=None):
        """Runs a command of the program; returns its exit code and what it prints."""
        done = subprocess.run(
            [self.binary, *arguments], env=self.environment, input=text, capture_output=True, text=True, timeout=TIMEOUT
        )
        return done.returncode, done.stdout + done.stderr

    def create_account(self, name, role="admin"):
        code, output = self.command(
            "user", "create", "--username", name, "--email", f"{name}@example.com", "--role", role, "--approved",
            "--password-stdin", text=PASSWORD,
        )
        check(code == 0, f"user create: {output}")

    def verify_audit_log(self):
        code, output = self.command("audit", "verify")
        check(code == 0, f"audit verify: {output}")
        return output.strip()

    def log(self):
        return self.log_path.read_text(errors="replace")

    def metric(self, name):
        """The value of a metric without labels."""
        lines = Client(self).send("GET", "/metrics").body.splitlines()
        return next(line.split()[1] for line in lines if line.partition(" ")[0].endswith(name))

    def check_running(self):
        check(self.process.poll() is None, f"a server has ended with {self.process.poll()}:\n{self.log()}")

    def stop(self):
        """Ends the process in any case."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Answer:
    """A response: its status, its headers and its body."""

    def __init__(self, response, seconds):
        text = response.read()
        self.status, self.headers, self.seconds = response.status, response.headers, seconds
        is_json = response.headers.get_content_type() == "application/json"
        self.body = json.loads(text) if is_json and text else text.decode()

    @property
    def code(self):
        return self.body.get("code", "") if isinstance(self.body, dict) else ""

    @property
    def retry_after(self):
        value = self.headers["Retry-After"]
        return None if value is None else int(value)

    def __repr__(self):
        return f"{self.status} after {self.seconds:.1f} s: {self.body}"


class Client:
    """A connection to one server that is kept."""

    def __init__(self, server, token=None, timeout=TIMEOUT):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
        self.token = token

    def send(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        begin = time.monotonic()
        self.connection.request(method, path, body and json.dumps(body), headers)
        response = self.connection.getresponse()
        return Answer(response, time.monotonic() - begin)

    def expect(self, status, method, path, body=None, **headers):
        answer = self.send(method, path, body, **headers)
        check(answer.status == status, f"{method} {path}: {answer}, expected {status}")
        return answer

    def sign_in(self, name, password=PASSWORD):
        """Signs in, and uses the token from now on."""
        login = {"email": f"{name}@example.com", "password": password}
        answer = self.expect(200, "POST", "/login", login)
        self.token = answer.body["token"]
        return answer


class Stage:
    """A temporary folder, and everything that is started in it; ends it all."""

    def __init__(self, binary):
        self.binary = binary
        self.started = []

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="task-api-servers-"))
        return self

    def __exit__(self, *_):
        for item in reversed(self.started):
            item.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def postgres(self, port=None, **settings):
        """A PostgreSQL server that is not started yet."""
        node = Postgres(port or free_port(), settings)
        self.started.append(node)
        return node

    def server(self, url, **settings):
        """A server of the program that is not started yet."""
        server = Server(self.binary, self.folder, url, **settings)
        self.started.append(server)
        return server

    def add(self, item):
        self.started.append(item)
        return item


def in_parallel(tasks):
    """Runs functions at the same moment, each in a thread of its own; returns their results in this order."""
    barrier, results = threading.Barrier(len(tasks)), [None] * len(tasks)

    def run(number, task):
        barrier.wait(TIMEOUT)
        try:
            results[number] = task()
        except Exception as why:  # Any failure of a thread is one of the test.
            results[number] = why

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * TIMEOUT)
        check(not thread.is_alive(), "a request hangs")
    for result in results:
        if isinstance(result, Exception):
            fail(f"a request fails: {result!r}")
    return results


def random_name():
    return secrets.token_hex(8)
