"""The programs that are measured: how each one is built, started and stopped."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import database

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from ports import free_port  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
CACHE = ROOT / "bench" / ".cache"
CORES = os.cpu_count() or 1
KEY = "a key for measuring, of at least thirty-two bytes"
SIGN_IN_ATTEMPTS = 5
# The names of the programs, as in the command line and in the results of the rounds.
OURS, WITH_LOG, COMPARED, ROUILLE = "task-api", "request-log", "compared", "rouille"
AXUM, AXUM_FOUR, FASTIFY, FLASK = "axum", "axum-four-indexes", "fastify", "flask"
TITLES = {
    OURS: "task-api",
    WITH_LOG: "task-api with request log",
    COMPARED: "task-api, other binary",
    ROUILLE: "on rouille's server",
    AXUM: "axum",
    AXUM_FOUR: "axum, four indexes",
    FASTIFY: "Fastify",
    FLASK: "Flask",
}
# These are measured whatever the command line selects.
ALWAYS = {OURS, AXUM}


def progress(text):
    print(text, file=sys.stderr, flush=True)


def fail(text):
    sys.exit(f"bench/run: {text}")


@dataclass
class Folders:
    """The folders that the programs write to."""

    databases: Path
    logs: Path


@dataclass
class Program:
    """A server program. Each measurement starts it on a fresh copy of a database in which accounts are signed in."""

    name: str
    command: list
    environment: dict
    # The task-api binary that creates its database.
    creator: Path
    tokens: list = field(default_factory=list)
    folders: Folders | None = None
    # The largest number of threads at the end of a measurement.
    most_threads: int = 0

    def prepare(self, folders, members):
        """Creates the database of the program and signs `members` accounts in."""
        self.folders = folders
        self.template = folders.databases / f"{self.name}-template.db"
        database.create(self.creator, self.template)
        server = Server(self, self.template)
        try:
            with ThreadPoolExecutor(CORES) as pool:
                self.tokens = list(pool.map(server.sign_in, database.MEMBERS[:members]))
        finally:
            server.stop()
        database.write_back(self.template)

    @contextmanager
    def running(self, change_database=None, **environment):
        """Runs the program on a copy of its database, which `change_database` may change before the start."""
        path = self.folders.databases / f"{self.name}.db"
        database.copy(self.template, path)
        if change_database:
            change_database(path)
        server = Server(self, path, environment)
        try:
            yield server
        finally:
            self.most_threads = max(self.most_threads, server.threads())
            server.stop()
            database.remove(path)


class Server:
    """A running program, with a port and a log file of its own."""

    def __init__(self, program, path, environment=None):
        """Starts the program and waits for its first response."""
        self.program, self.tokens, self.port = program, program.tokens, free_port()
        values = {"port": self.port, "database": path}
        settings = {name: value.format(**values) for name, value in program.environment.items()}
        command = [str(part).format(**values) for part in program.command]
        self.log = program.folders.logs / f"{program.name}.log"
        with open(self.log, "wb") as log:
            begin = time.perf_counter()
            self.process = subprocess.Popen(
                command, env=os.environ | settings | (environment or {}), stdout=log, stderr=log
            )
        try:
            self.wait_until_it_responds()
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.perf_counter() - begin

    def wait_until_it_responds(self):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.process.poll() is not None:
                log = self.log.read_text(errors="replace")[-2000:]
                fail(f"{self.program.name} exits with {self.process.returncode}:\n{log}")
            try:
                self.request("GET", "/healthz")
                return
            except OSError:
                time.sleep(0.0005)
        fail(f"{self.program.name} does not respond")

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, text

    def sign_in(self, email):
        """Signs an account in and returns its token."""
        body = json.dumps({"email": email, "password": database.PASSWORD})
        for _ in range(SIGN_IN_ATTEMPTS):
            status, text = self.request("POST", "/login", body, {"Content-Type": "application/json"})
            if status == 200:
                return json.loads(text)["token"]
            time.sleep(1)
        fail(f"{self.program.name}: the status of the sign-in is {status}: {text}")

    def warm_up(self):
        """Sends one request with each token, so that caches are filled, and checks that it is accepted."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        for token in self.tokens:
            connection.request("GET", "/hello", headers={"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            text = response.read()
            if response.status != 200:
                fail(f"{self.program.name}: the status of /hello is {response.status}: {text}")
        connection.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def status(self, name):
        """Returns a number of /proc/PID/status, which describes the process without its child processes; 0 if the
        process has ended."""
        try:
            text = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0
        found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
        return int(found[1]) if found else 0

    def threads(self):
        return self.status("Threads")

    def resident_memory(self):
        """Returns the resident memory in MB."""
        return self.status("VmRSS") / 1024

    def cpu_seconds(self):
        """Returns the CPU time of the process, user and system together, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        user, system = int(fields[11]), int(fields[12])
        return (user + system) / os.sysconf("SC_CLK_TCK")


# ---- building ---------------------------------------------------------------------------------------


def cargo_build(folder, *arguments):
    """Builds in release mode and returns the folder of the binaries."""
    command = ["cargo", "build", "--release", "--locked", "--quiet", *arguments]
    subprocess.run(command, cwd=folder, check=True)
    metadata = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--locked", "--format-version", "1"],
        cwd=folder, check=True, capture_output=True, text=True,
    )
    return Path(json.loads(metadata.stdout)["target_directory"]) / "release"


def task_api(name, binary, log_filter, *arguments):
    environment = {
        "PORT": "{port}",
        "DATABASE_URL": "sqlite:///{database}",
        "JWT_SECRET_KEY": KEY,
        "RATE_LIMITS": "off",
        "RUST_LOG": log_filter,
    }
    return Program(name, [binary, *arguments], environment, creator=binary)


PEER_ENVIRONMENT = {"PORT": "{port}", "DATABASE": "{database}", "JWT_SECRET_KEY": KEY}


def axum(creator, folder):
    binary = folder / "axum-peer"
    return [
        Program(AXUM, [binary], PEER_ENVIRONMENT, creator),
        Program(AXUM_FOUR, [binary], PEER_ENVIRONMENT | {"TASK_INDEXES": "four"}, creator),
    ]


def fastify(creator):
    progress("installing the Fastify peer")
    folder = PEERS / "fastify"
    if not (folder / "node_modules").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=True, stdout=sys.stderr)
    return Program(FASTIFY, ["node", folder / "server.js"], PEER_ENVIRONMENT, creator)


def flask(creator):
    progress("installing the Flask peer")
    folder = PEERS / "flask"
    python = virtual_environment("flask", "-r", folder / "requirements.txt")
    command = [python, "-m", "gunicorn", "--chdir", folder, "--pythonpath", ROOT / "tests" / "flask",
               "--bind", "127.0.0.1:{port}", "--workers", str(CORES), "--threads", "4", "--keep-alive", "60",
               "peer:app"]
    return Program(FLASK, command, PEER_ENVIRONMENT, creator)


def virtual_environment(name, *packages):
    folder = CACHE / name
    if not (folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    subprocess.run(install, check=True, stdout=sys.stderr)
    return python


@dataclass
class Installed:
    """The programs that are measured, and what belongs to them."""

    programs: list
    # The titles of the peers that could not be installed.
    missing: list
    # The program of the axum peer that measures password hashes without a server.
    hashes: Path


def install(names, compared):
    """Builds or installs the named programs, and `compared`, the path of another task-api binary, if there is one."""
    progress("building task-api")
    ours = cargo_build(ROOT, "--bin", "task-api") / "task-api"
    progress("building the axum peer")
    peer_folder = cargo_build(PEERS / "axum")
    programs = [task_api(OURS, ours, "warn"), task_api(WITH_LOG, ours, "info")]
    if compared:
        programs.append(task_api(COMPARED, compared, "warn"))
    programs.append(task_api(ROUILLE, ours, "warn", "serve", "--server", "rouille"))
    programs += axum(ours, peer_folder)
    missing = []
    for name, install_peer in [(FASTIFY, fastify), (FLASK, flask)]:
        if name in names:
            try:
                programs.append(install_peer(ours))
            except (OSError, subprocess.CalledProcessError) as error:
                progress(f"WITHOUT {TITLES[name]}: {error}")
                missing.append(TITLES[name])
    wanted = {*names, *ALWAYS, COMPARED}
    programs = [program for program in programs if program.name in wanted]
    return Installed(programs, missing, peer_folder / "hashes")
