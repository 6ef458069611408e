#!/usr/bin/env python3
"""Kills the primary of two PostgreSQL servers under load and promotes its synchronous standby, again and again.

    tests/postgres/failover.py target/debug/task-api [ROUNDS]

Two servers of the program use both. Clients create and read tasks, and sign in, through each of them meanwhile. In each
round the primary ends by `kill -9` and the standby is promoted a moment later; then a new standby is made of it. Proved:

- every request gets a response, in time: success, or 503 with Retry-After;
- reads and writes succeed within 5 seconds of the promotion, without a restart;
- every acknowledged task is there, once, although clients repeat requests whose result is unknown;
- the audit log is intact.

With --read-database-url each server has READ_DATABASE_URL too, and reads go on while there is no primary.
"""

import random
import threading
import time
from collections import Counter

from servers import (
    PASSWORD, Client, Stage, check, fail, free_port, outages, parse_arguments, random_name, say, url_of, wait_for,
)

WRITERS, READERS = 4, 2
# The time in which the API has to work again after the promotion.
RECOVERY_LIMIT = 5
# The time in which each request must be answered: src/store/postgres/database.rs waits up to 2 seconds for a connection,
# and repeats a transaction for up to 5 seconds.
ANSWER_LIMIT = 8
# A client that waits for as long as Retry-After says would not show when the API works again.
PAUSE = 0.1
STEADY_PAUSE = 0.01
DATABASE = "tasks"


class Load:
    """The clients of one server."""

    def __init__(self, server, token):
        self.server, self.token, self.is_over = server, token, False
        self.answers, self.lock = [], threading.Lock()
        self.acknowledged, self.attempted, self.replayed = {}, set(), 0
        targets = [self.write] * WRITERS + [self.read] * READERS + [self.sign_in]
        self.threads = [threading.Thread(target=self.run, args=[target], daemon=True) for target in targets]
        self.failure = None
        for thread in self.threads:
            thread.start()

    def run(self, target):
        try:
            target(Client(self.server, self.token))
        except Exception as why:  # A connection that breaks, or a response that is none, is what this looks for.
            self.failure = self.failure or f"{target.__name__} on port {self.server.port}: {why!r}"

    def send(self, kind, client, method, path, body=None, **headers):
        answer = client.send(method, path, body, **headers)
        with self.lock:
            self.answers.append((time.monotonic(), kind, answer))
        is_success = answer.status < 300
        if not is_success and not (answer.status == 503 and answer.retry_after):
            raise AssertionError(f"{method} {path}: {answer}")
        time.sleep(STEADY_PAUSE if is_success else PAUSE)
        return answer if is_success else None

    def write(self, client):
        while not self.is_over:
            title = f"task {random_name()}"
            self.attempted.add(title)
            while not self.is_over:
                answer = self.send("write", client, "POST", "/tasks", {"title": title}, Idempotency_Key=title[5:])
                if answer:
                    self.acknowledged[title] = answer.body["id"]
                    self.replayed += "Idempotency-Replayed" in answer.headers
                    break

    def read(self, client):
        while not self.is_over:
            self.send("read", client, "GET", "/hello")
            self.send("read", client, "GET", "/tasks?limit=5")

    def sign_in(self, client):
        """Writes entries of the audit log. A new session may end an older one of its account, so it has its own."""
        login = {"email": "alan@example.com", "password": PASSWORD}
        while not self.is_over:
            self.send("sign-in", client, "POST", "/login", login)

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(30)
            check(not thread.is_alive(), "a request hangs")
        check(not self.failure, self.failure)

    def recovery(self, kind, since):
        """The time of the first success after the last failure, counted from this moment; `None` before it."""
        with self.lock:
            answers = [(at, answer) for at, its_kind, answer in self.answers if its_kind == kind]
        failures = [at for at, answer in answers if answer.status == 503]
        begin = max([since, *failures[-1:]])
        success = next((at for at, answer in answers if at > begin and answer.status < 300), None)
        return success and success - since

    def check_alive(self):
        check(not self.failure, self.failure)
        self.server.check_running()


def wait_for_recovery(loads, since):
    """Waits until each server reads and writes again; returns the longest times of both."""
    def times():
        for load in loads:
            load.check_alive()
        return [[load.recovery(kind, since) for load in loads] for kind in ("write", "sign-in", "read")]

    try:
        wait_for("recovery", lambda: not any(None in kinds for kinds in times()), RECOVERY_LIMIT + 10)
    except SystemExit:
        logs = "\n".join("\n".join(load.server.log().splitlines()[-20:]) for load in loads)
        fail(f"no recovery: {times()}\n{logs}")
    # A server that works again must go on working.
    time.sleep(1)
    return [max(kinds) for kinds in times()]


def failover(primary, standby, loads, has_standby_reads):
    """One failover under load; returns its figures."""
    # A read waits for the primary for 2 seconds before it goes to the standby.
    shortest, longest = (4.0, 6.0) if has_standby_reads else (0.2, 4.0)
    time.sleep(random.uniform(0.5, 1.5))
    killed = time.monotonic()
    primary.kill()
    time.sleep(random.uniform(shortest, longest))
    promoted = time.monotonic()
    standby.promote()
    promotion = time.monotonic() - promoted
    writes, sign_ins, reads = wait_for_recovery(loads, promoted)
    return {"killed": killed, "promoted": promoted, "promotion": promotion, "recovered": [writes, sign_ins, reads]}


def check_data(node, server, loads):
    """Every acknowledged task is there, once, with its id, and none that was not asked for."""
    rows = [line.split("|") for line in node.sql("SELECT id, title FROM task", DATABASE).splitlines()]
    titles = Counter(title for _, title in rows)
    twice = [title for title, count in titles.items() if count > 1]
    check(not twice, f"{len(twice)} tasks are there twice, such as {twice[:3]}")
    ids = {title: int(id_) for id_, title in rows}
    acknowledged = {title: id_ for load in loads for title, id_ in load.acknowledged.items()}
    lost = [title for title, id_ in acknowledged.items() if ids.get(title) != id_]
    check(not lost, f"{len(lost)} of {len(acknowledged)} acknowledged tasks are lost, such as {lost[:3]}")
    invented = set(titles) - {title for load in loads for title in load.attempted}
    check(not invented, f"unknown tasks, such as {sorted(invented)[:3]}")
    server.verify_audit_log()
    return len(acknowledged)


def summary(loads, figures, has_standby_reads):
    """The figures of a round as text; fails if one is too high."""
    answers = [item for load in loads for item in load.answers]
    _, kind, slowest = max(answers, key=lambda item: item[2].seconds)
    longest = slowest.seconds
    failed = Counter(kind for _, kind, answer in answers if answer.status == 503)
    reads_without_primary = sum(
        kind == "read" and answer.status < 300 and figures["killed"] + 0.1 < at - answer.seconds
        and at < figures["promoted"]
        for at, kind, answer in answers
    )
    worst = max(figures["recovered"])
    check(worst < RECOVERY_LIMIT, f"the API works again only {worst:.1f} s after the promotion")
    check(longest < ANSWER_LIMIT, f"a {kind} is too slow: {slowest}")
    if has_standby_reads:
        check(reads_without_primary and not failed["read"], f"{reads_without_primary} reads without a primary, {failed}")
    writes, sign_ins, reads = figures["recovered"]
    return (
        f"primary away {figures['promoted'] - figures['killed']:.1f} s, promotion {figures['promotion']:.1f} s; after "
        f"its begin writes work at {writes:.1f} s, sign-ins {sign_ins:.1f} s, reads {reads:.1f} s; "
        f"{len(answers)} responses, 503 for {failed['write']} writes, {failed['sign-in']} sign-ins, {failed['read']} "
        f"reads, {reads_without_primary} reads without a primary, longest a {kind} of {longest:.1f} s; "
        f"{sum(load.replayed for load in loads)} repeated requests found done"
    )


def check_log(server, rounds, password):
    """An outage has one line when it begins and one when it ends. No line has the password."""
    log = server.log()
    check(password not in log, f"the password is in the log of port {server.port}")
    begun, ended = outages(log)
    # Requests wait for a connection for a moment, so that the log need not tell of a short outage.
    check(begun == ended <= rounds, f"{begun} outages begin and {ended} end in the log, in {rounds} rounds:\n{log}")


def main():
    arguments = parse_arguments(
        __doc__,
        lambda parser: parser.add_argument("rounds", type=int, nargs="?", default=10, help="failovers (10)"),
        lambda parser: parser.add_argument("--read-database-url", action="store_true", help="reads from the standby"),
    )
    with Stage(arguments.binary) as stage:
        primary = stage.postgres(free_port()).start()
        primary.sql(f"CREATE DATABASE {DATABASE}")
        standby = stage.postgres(free_port()).start_as_standby_of(primary)
        url = url_of([primary, standby], DATABASE, target_session_attrs="read-write")
        settings = {}
        if arguments.read_database_url:
            settings["READ_DATABASE_URL"] = url_of([standby, primary], DATABASE)
        servers = [stage.server(url, **settings) for _ in range(2)]
        for name in ("grace", "alan"):
            servers[0].create_account(name)
        for server in servers:
            server.start()
        history = []
        for round_ in range(1, arguments.rounds + 1):
            tokens = [Client(server).sign_in("grace").body["token"] for server in servers]
            loads = [Load(server, token) for server, token in zip(servers, tokens)]
            figures = failover(primary, standby, loads, arguments.read_database_url)
            for load in loads:
                load.stop()
            history += loads
            text = summary(loads, figures, arguments.read_database_url)
            count = check_data(standby, servers[0], history)
            say(f"round {round_}: {text}; {count} tasks, none lost or twice")
            if round_ < arguments.rounds:
                primary, standby = standby, stage.postgres(primary.port).start_as_standby_of(standby)
        for server in servers:
            check_log(server, arguments.rounds, primary.password)


if __name__ == "__main__":
    main()
