"""What is measured: every scenario, by group, and the programs that take part in it.

A measurement starts a program on a fresh copy of its database and returns a dictionary of figures:

- `rate`: successful responses per second; `refused`: the share of other responses; `p99_ms`: of all responses
- `cpu_us`: CPU time of the server per response, in microseconds
- `beside`: successful responses per second of the other load; `beside_refused`: the share of other responses
- `share`: the rate of sign-ins ÷ (cores ÷ the time of one hash); `hash_ms`: that time
- `seconds`, `factor`, `refusals`, `left_out`: of people who sign in at once; `factor` is the time ÷ (people × one
  hash ÷ cores)
- `answered`, `people`, `slowest`: of people who sign in beside an attacker
- `start_ms`, `idle_mb`, `connected_mb`
"""

import socket
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import database
import sign_ins
import wrk
from programs import AXUM, AXUM_FOUR, COMPARED, CORES, FASTIFY, FLASK, OURS, ROUILLE, WITH_LOG, fail, progress
from wrk import Request

IDLE_CONNECTIONS = 5_000
STARTS = 5
# Hashes that are still running when a measurement ends are not counted. The longer it takes, the smaller that error.
LOGIN_DURATION_FACTOR = 3
HASH_SECONDS = 1

MAIN = [OURS, WITH_LOG, COMPARED, AXUM]
WRITERS = [*MAIN, AXUM_FOUR]
ALL = [*MAIN, ROUILLE, FASTIFY, FLASK]
ALL_WRITERS = [*ALL, AXUM_FOUR]
WITH_RATE_LIMITS = [OURS, WITH_LOG, COMPARED]

TASK = {"title": "A task", "description": database.DESCRIPTION}
CREDENTIALS = {"email": database.MEMBERS[0], "password": database.PASSWORD}
HELLO = Request(1, "GET", "/hello")
LOGIN = Request(8, "POST", "/login", CREDENTIALS)
WRITE = Request(64, "POST", "/tasks", TASK)
SEARCH = Request(8, "GET", f"/tasks?q={quote(database.NO_MATCH)}")
LONG_SEARCH = Request(8, "GET", f"/tasks?q={quote(database.NO_MATCH_IN_LONG)}")


@dataclass(frozen=True)
class Options:
    seconds: int
    # The program that measures password hashes without a server.
    hashes: Path


@dataclass(frozen=True)
class Scenario:
    group: str
    label: str
    programs: list
    measure: Callable  # (program, options) -> figures


def hello_label(connections):
    return f"GET /hello, {connections} connection{'s' if connections > 1 else ''}"


def post_label(connections):
    return f"POST /tasks, {connections:,} connections"


def crowd_label(people, many_addresses):
    return f"{people} people sign in at once, {'each from its own address' if many_addresses else 'one address'}"


def attack_label(with_accounts, rate_limits):
    accounts = f"{sign_ins.ATTACKER_ACCOUNTS} accounts" if with_accounts else "no account"
    return f"an attacker with {accounts}, rate limits {rate_limits}"


LIST_LABEL = "GET /tasks, 32 connections"
LOGIN_LABEL = "POST /login, 8 connections"
RESOURCES_LABEL = "start and memory"
BESIDE_LOGINS = "GET /hello while 8 connections sign in"
BESIDE_WRITES = "GET /hello while 64 connections POST /tasks"
BESIDE_SEARCHES = "GET /hello while 8 connections search 10,000 tasks"
BESIDE_LONG_SEARCHES = "GET /hello while 8 connections search 1,000 long tasks"
BESIDE = [BESIDE_LOGINS, BESIDE_WRITES, BESIDE_SEARCHES, BESIDE_LONG_SEARCHES]
HELLO_CONNECTIONS = [1, 32, 256]
POST_CONNECTIONS = [64, 256, 1000]
CROWDS = [(people, many) for people in (30, 200) for many in (False, True)]
ATTACKS = [(with_accounts, limits) for with_accounts in (True, False) for limits in ("on", "off")]


def all_scenarios():
    scenarios = [
        Scenario("hello", hello_label(connections), ALL, load(Request(connections, "GET", "/hello")))
        for connections in HELLO_CONNECTIONS
    ]
    scenarios.append(Scenario("tasks", LIST_LABEL, ALL, load(Request(32, "GET", "/tasks"))))
    scenarios += [
        Scenario("writes", post_label(connections), ALL_WRITERS if connections == 64 else WRITERS,
                 load(Request(connections, "POST", "/tasks", TASK)))
        for connections in POST_CONNECTIONS
    ]
    scenarios += [
        Scenario("logins", LOGIN_LABEL, ALL, login_load),
        Scenario("latency", BESIDE_LOGINS, ALL, hello_beside(LOGIN)),
        Scenario("latency", BESIDE_WRITES, MAIN, hello_beside(WRITE)),
        Scenario("latency", BESIDE_SEARCHES, MAIN, hello_beside(SEARCH)),
        Scenario("latency", BESIDE_LONG_SEARCHES, MAIN, hello_beside(LONG_SEARCH, database.add_long_tasks)),
    ]
    scenarios += [
        Scenario("crowds", crowd_label(people, many), MAIN, crowd(people, many)) for people, many in CROWDS
    ]
    scenarios += [
        Scenario("attacks", attack_label(accounts, limits), WITH_RATE_LIMITS if limits == "on" else MAIN,
                 attack(accounts, limits))
        for accounts, limits in ATTACKS
    ]
    return [*scenarios, Scenario("resources", RESOURCES_LABEL, MAIN, resources)]


# ---- measurements -----------------------------------------------------------------------------------


def load(request):
    """Measures one kind of request."""

    def measure(program, options):
        with program.running() as server:
            server.warm_up()
            before = server.cpu_seconds()
            result = wrk.run(server, request, options.seconds)
            cpu = server.cpu_seconds() - before
        figures = {"rate": result.rate, "refused": result.refused_share, "p99_ms": result.p99_ms}
        # The workers of these peers are child processes, whose time is not counted.
        if program.name not in (FASTIFY, FLASK):
            figures["cpu_us"] = cpu / max(result.requests, 1) * 1e6
        return figures

    return measure


def login_load(program, options):
    """Measures sign-ins, in comparison with hashes without a server."""
    hash_seconds = time_of_one_hash(options)
    with program.running() as server:
        result = wrk.run(server, LOGIN, LOGIN_DURATION_FACTOR * options.seconds)
    return {"rate": result.rate, "refused": result.refused_share, "share": result.rate * hash_seconds / CORES,
            "hash_ms": hash_seconds * 1e3}


def hello_beside(other, change_database=None):
    """Measures the response times of /hello on one connection while `other` loads the server."""

    def measure(program, options):
        with program.running(change_database) as server:
            server.warm_up()
            # The other load begins before the measurement and ends after it.
            process = wrk.start(server, other, options.seconds + 2)
            time.sleep(0.5)
            result = wrk.run(server, HELLO, options.seconds)
            beside = wrk.finish(process)
        return {"p99_ms": result.p99_ms, "refused": result.refused_share, "beside": beside.rate,
                "beside_refused": beside.refused_share}

    return measure


def crowd(people, many_addresses):
    def measure(program, options):
        before = time_of_one_hash(options)
        # From one address the rate limits would refuse most of the people.
        with program.running(RATE_LIMITS="on" if many_addresses else "off") as server:
            result = sign_ins.crowd(server.port, people, many_addresses, limit=people * before + 5)
        hash_seconds = (before + time_of_one_hash(options)) / 2
        ideal = people * hash_seconds / CORES
        return {"seconds": result.seconds, "factor": result.seconds / ideal, "refusals": result.refused,
                "left_out": result.left_out}

    return measure


def attack(with_accounts, rate_limits):
    def measure(program, _):
        with program.running(RATE_LIMITS=rate_limits) as server:
            result = sign_ins.attack(server.port, with_accounts)
        return {"answered": result.answered, "people": result.people, "slowest": result.slowest_seconds}

    return measure


def resources(program, _):
    """Measures the time from the start to the first response, and the resident memory, idle and with 5,000 idle
    connections."""
    starts = []
    for _ in range(STARTS):
        with program.running() as server:
            starts.append(server.start_seconds)
            idle = server.resident_memory()
    with program.running() as server:
        connected = memory_with_idle_connections(server)
    return {"start_ms": statistics.median(starts) * 1e3, "idle_mb": idle, "connected_mb": connected}


def memory_with_idle_connections(server):
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(IDLE_CONNECTIONS)]
    for connection in connections:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for connection in connections:
        if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
            fail(f"{server.program.name}: a connection gets no response before it becomes idle")
    memory = server.resident_memory()
    for connection in connections:
        connection.close()
    return memory


def time_of_one_hash(options):
    """Measures the seconds that one password hash takes on one thread, without a server."""
    command = [options.hashes, "1", str(HASH_SECONDS)]
    return 1 / float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


# ---- rounds -----------------------------------------------------------------------------------------


def run_rounds(scenarios, programs, rounds, options):
    """Measures every program once per round in every scenario. Returns the figures of all rounds: a list of
    dictionaries by scenario label and program name."""
    results = {scenario.label: {} for scenario in scenarios}
    for number in range(1, rounds + 1):
        # A program that is measured directly after a busy one may be at a disadvantage. The order rotates, so that in
        # as many rounds as there are programs each of them has each position once.
        first = number % len(programs)
        order = programs[first:] + programs[:first]
        for scenario in scenarios:
            for program in order:
                if program.name in scenario.programs:
                    figures = scenario.measure(program, options)
                    results[scenario.label].setdefault(program.name, []).append(figures)
                    shown = ", ".join(f"{name} {value:,.4g}" for name, value in figures.items())
                    progress(f"round {number} of {rounds}: {scenario.label}, {program.name}: {shown}")
    return results
