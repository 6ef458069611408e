#!/usr/bin/env python3
"""Lets a PostgreSQL database fail in many ways under a running server: it answers 503 in time, and recovers by itself.

    tests/postgres/faults.py target/debug/task-api [FAULT ...]

Proved for each fault: reads and writes get 503 with Retry-After within the time limit and no other error, the server
works again within 5 seconds of the end of the fault without a restart, the log has one line when the outage begins and
one when it ends, and no line has the password. A start during a fault that can be told from its cause ends with one
line and exit code 1. Connections that are lost while no request uses them cost no request a 503.
"""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

from servers import (
    Client, Stage, TIMEOUT, check, fail, in_parallel, outages, parse_arguments, random_name, say, url_of, wait_for,
)

DATABASE, ROLE, ROLE_PASSWORD = "tasks", "app", "pass4app"
# The time limits of src/store/postgres/database.rs: for a response of the database, and for a connection.
RESPONSE_LIMIT, CONNECTION_LIMIT = 10, 2
# What the machine may add.
TOLERANCE = 3
RECOVERY_LIMIT = 5


class Proxy:
    """A TCP proxy in front of PostgreSQL that can break a connection at its commit."""

    def __init__(self, node):
        self.target = node.port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.marker, self.is_forwarded, self.cuts = None, False, 0
        self.muted, self.answered = None, threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def stop(self):
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    client.close()
                    continue
                for target in (self.requests, self.responses):
                    threading.Thread(target=target, args=[client, server], daemon=True).start()

    def cut_commit(self, marker, is_forwarded):
        """Breaks the connection that sends this text when it sends COMMIT: before PostgreSQL gets that, or after it
        has answered."""
        self.marker, self.is_forwarded, self.cuts = marker.encode(), is_forwarded, 0

    def requests(self, client, server):
        has_marker = False
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                has_marker |= self.marker is not None and self.marker in data
                if has_marker and b"COMMIT" in data:
                    self.marker, has_marker = None, False
                    self.cut(client, server, data)
                    break
                server.sendall(data)
        close(client, server)

    def cut(self, client, server, data):
        self.cuts += 1
        if not self.is_forwarded:
            return
        # What the database answers reaches this proxy only.
        self.muted = server
        self.answered.clear()
        server.sendall(data)
        self.answered.wait(TIMEOUT)

    def responses(self, client, server):
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if self.muted is not server:
                    client.sendall(data)
                else:
                    self.answered.set()
        close(client, server)


def close(*sockets):
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


class Scene:
    """A PostgreSQL server with the database of the program, and one server of the program."""

    def __init__(self, stage):
        self.stage, self.node = stage, stage.postgres().start()
        self.node.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE_PASSWORD}'")
        self.node.sql(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        self.proxy = stage.add(Proxy(self.node))
        self.server = stage.server(self.url(self.proxy))
        self.server.create_account("grace")
        self.server.start()
        self.token = Client(self.server).sign_in("grace").body["token"]

    def url(self, node):
        return url_of([node], DATABASE, ROLE, ROLE_PASSWORD)

    def sql(self, statement, database="postgres"):
        return self.node.sql(statement, database)

    def terminate_connections(self):
        self.sql(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{ROLE}'")

    # ---- requests -------------------------------------------------------------------------------

    def read(self):
        return Client(self.server, self.token).send("GET", "/tasks?limit=1")

    def hello(self):
        return Client(self.server, self.token).send("GET", "/hello")

    def write(self, title=None):
        title = title or random_name()
        return Client(self.server, self.token).send("POST", "/tasks", {"title": title}, Idempotency_Key=title)

    def write_again(self, title):
        """Repeats a write, as a client does, until it gets another response than 503."""
        for _ in range(100):
            answer = self.write(title)
            if answer.status != 503:
                return answer
            time.sleep(0.1)
        fail(f"503 again and again: {answer}")

    def ready(self):
        return Client(self.server).send("GET", "/readyz")

    def check_works(self):
        """A number of requests at the same moment, more than there are connections: none fails."""
        for answer in in_parallel([self.write, self.read, self.hello] * 8):
            check(answer.status < 300, f"a request fails: {answer}")

    # ---- an outage ------------------------------------------------------------------------------

    def log_lines(self):
        log = self.server.log()
        for secret in (ROLE_PASSWORD, self.node.password):
            check(secret not in log, f"a password is in the log:\n{log}")
        return log.splitlines()

    def outages(self):
        return outages("\n".join(self.log_lines()))

    @contextlib.contextmanager
    def outage(self, limit, reads_fail=True):
        """During this context the database has a fault. Checks the responses, the recovery and the log."""
        before = self.outages()
        yield
        longest = self.check_refused(limit, reads_fail)
        # While the fault lasts requests do not wait for the database.
        again = self.check_refused(CONNECTION_LIMIT, reads_fail)
        self.figures = f"503 after {longest:.1f} s, later after {again:.1f} s"
        check(self.outages() == [before[0] + 1, before[1]], f"the log of the outage:\n{self.server.log()}")

    def check_refused(self, limit, reads_fail):
        requests = [self.write, self.ready] + ([self.read, self.hello] if reads_fail else [])
        answers = in_parallel(requests * 3)
        for answer in answers:
            is_refused = answer.status == 503 and answer.retry_after
            check(is_refused, f"not 503 with Retry-After: {answer}\n{self.server.log()}")
            check(answer.seconds < limit + TOLERANCE, f"too late: {answer}")
        return max(answer.seconds for answer in answers)

    def check_recovery(self):
        """Call this when the fault has ended."""
        begin = time.monotonic()
        while not all(request().status < 300 for request in (self.write, self.read, self.hello, self.ready)):
            check(time.monotonic() < begin + 4 * RECOVERY_LIMIT, f"no recovery: {self.write()}\n{self.server.log()}")
            time.sleep(0.05)
        seconds = time.monotonic() - begin
        self.check_works()
        check(seconds < RECOVERY_LIMIT, f"it works again only after {seconds:.1f} s")
        begun, ended = self.outages()
        check(begun == ended, f"{begun} outages begin and {ended} end:\n{self.server.log()}")
        self.server.check_running()
        return f"{self.figures}, works again after {seconds:.1f} s"

    def check_start(self, text):
        """A start ends with one line that has this text."""
        begin = time.monotonic()
        done = subprocess.run(
            [self.server.binary], env=self.server.environment | {"PORT": "0", "DATABASE_URL": self.url(self.node)},
            capture_output=True, text=True, timeout=TIMEOUT,
        )
        lines = [line for line in done.stderr.splitlines() if line.startswith("task-api:")]
        is_clear = done.returncode == 1 and len(lines) == 1 and text in lines[0]
        check(is_clear, f"a start exits with {done.returncode}, expected {text!r}:\n{done.stderr}")
        check(ROLE_PASSWORD not in done.stderr, f"the password is in: {done.stderr}")
        check(time.monotonic() - begin < CONNECTION_LIMIT + RESPONSE_LIMIT + TOLERANCE, "a start takes too long")


# ---- the faults ---------------------------------------------------------------------------------


def idle_connections_lost(scene):
    """All connections are lost while no request uses them: the next requests notice nothing."""
    for _ in range(3):
        scene.terminate_connections()
        before = scene.outages()
        scene.check_works()
        check(scene.outages() == before, f"an outage:\n{scene.server.log()}")
    return "no request fails"


def connections_lost_under_load(scene):
    """Connections that requests use: only a commit can have an unknown result."""
    stop, answers = threading.Event(), []

    def load():
        while not stop.is_set():
            answers.append(scene.write())
            answers.append(scene.read())

    threads = [threading.Thread(target=load, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        time.sleep(0.2)
        scene.terminate_connections()
    stop.set()
    for thread in threads:
        thread.join(TIMEOUT)
    bad = [answer for answer in answers if answer.status >= 300 and not (answer.status == 503 and answer.retry_after)]
    check(not bad, f"{len(bad)} requests fail, such as {bad[:2]}")
    scene.figures = f"{sum(answer.status == 503 for answer in answers)} of {len(answers)} requests get 503"
    return scene.check_recovery()


def commit_cut(scene):
    """The connection breaks in the middle of a commit: a retry with the same key finds out whether it was done."""
    texts = []
    for is_forwarded in (True, False):
        title = f"cut-{random_name()}"
        scene.proxy.cut_commit(title, is_forwarded)
        answer = scene.write(title)
        check(scene.proxy.cuts == 1, f"{scene.proxy.cuts} commits are cut")
        check(answer.status == 503 and answer.retry_after, f"a commit whose result is unknown: {answer}")
        count = scene.sql(f"SELECT count(*) FROM task WHERE title = '{title}'", DATABASE)
        check(count == str(int(is_forwarded)), f"the test itself: {count} tasks after the cut")
        retry = scene.write_again(title)
        check(retry.status == 201 and retry.body["title"] == title, f"the retry: {retry}")
        is_replayed = "Idempotency-Replayed" in retry.headers
        check(is_replayed == is_forwarded, f"the retry of a commit that was done={is_forwarded}: {retry.headers}")
        count = scene.sql(f"SELECT count(*) FROM task WHERE title = '{title}'", DATABASE)
        check(count == "1", f"{count} tasks of one Idempotency-Key")
        texts.append("done and replayed" if is_replayed else "not done and done by the retry")
    scene.figures = ", ".join(texts)
    return scene.check_recovery()


def hanging(scene):
    """All processes of PostgreSQL stop, and their connections stay open."""
    processes = [scene.node.postmaster(), *scene.node.children()]
    try:
        with scene.outage(RESPONSE_LIMIT + CONNECTION_LIMIT):
            for process in processes:
                os.kill(process, signal.SIGSTOP)
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
    return scene.check_recovery()


def stopped(scene):
    """PostgreSQL is stopped and started."""
    with scene.outage(CONNECTION_LIMIT):
        scene.node.signal_all(signal.SIGKILL)
        wait_for("the end of the server", lambda: not scene.node.run("pg_ctl", "status", "-D", scene.node.data)[0])
    scene.check_start("failed")
    scene.node.start_data()
    return scene.check_recovery()


def too_many_connections(scene):
    with scene.outage(CONNECTION_LIMIT):
        scene.sql(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
        scene.terminate_connections()
    scene.check_start("too many connections")
    scene.sql(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
    return scene.check_recovery()


def fewer_connections(scene):
    """Fewer connections than the pool wants: requests share those that there are."""
    scene.sql(f"ALTER ROLE {ROLE} CONNECTION LIMIT 4")
    scene.terminate_connections()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for answer in in_parallel([scene.write, scene.read] * 4):
            check(answer.status < 300 or answer.status == 503 and answer.retry_after, f"{answer}")
    scene.sql(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
    scene.figures = "no other error than 503"
    return scene.check_recovery()


def no_rights(scene):
    """The role has lost its rights."""
    tables, sequences = "ALL TABLES IN SCHEMA public", "ALL SEQUENCES IN SCHEMA public"
    scene.sql(f"REASSIGN OWNED BY {ROLE} TO postgres", DATABASE)
    with scene.outage(CONNECTION_LIMIT):
        scene.sql(f"REVOKE ALL ON {tables} FROM {ROLE}", DATABASE)
    scene.check_start(f'the role "{ROLE}" may not use the tables')
    scene.sql(f"GRANT ALL ON {tables} TO {ROLE}", DATABASE)
    scene.check_start(f'the role "{ROLE}" may not use the sequences')
    scene.sql(f"GRANT USAGE, UPDATE ON {sequences} TO {ROLE}", DATABASE)
    return scene.check_recovery()


def read_only(scene):
    """An operator makes the database read-only, which new sessions notice."""
    with scene.outage(CONNECTION_LIMIT):
        scene.sql(f"ALTER DATABASE {DATABASE} SET default_transaction_read_only = on")
        scene.terminate_connections()
    scene.check_start("read-only")
    scene.sql(f"ALTER DATABASE {DATABASE} RESET default_transaction_read_only")
    return scene.check_recovery()


def dropped(scene):
    """The database is dropped, and restored from a dump."""
    dump = scene.node.folder / "dump"
    url = scene.node.url(DATABASE)
    done, output = scene.node.run("pg_dump", "--format=custom", f"--file={dump}", url)
    check(done, output)
    with scene.outage(CONNECTION_LIMIT):
        scene.sql(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    scene.check_start("does not exist")
    scene.sql(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
    # The empty database is not the one that the server has opened.
    time.sleep(1)
    scene.check_refused(CONNECTION_LIMIT, True)
    done, output = scene.node.run("pg_restore", "--single-transaction", f"--dbname={url}", dump)
    check(done, output)
    return scene.check_recovery()


FAULTS = [
    idle_connections_lost, connections_lost_under_load, commit_cut, hanging, stopped, too_many_connections,
    fewer_connections, read_only, dropped, no_rights,
]


def main():
    names = {fault.__name__: fault for fault in FAULTS}
    arguments = parse_arguments(
        __doc__,
        lambda parser: parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"all by default: {', '.join(names)}"),
    )
    unknown = set(arguments.faults) - set(names)
    if unknown:
        fail(f"unknown fault: {', '.join(sorted(unknown))}")
    with Stage(arguments.binary) as stage:
        scene = Scene(stage)
        for name in arguments.faults or names:
            say(f"{name}: {names[name](scene)}")
        scene.server.verify_audit_log()


if __name__ == "__main__":
    main()
