#!/usr/bin/env python3
"""Lets clients compete for one thing through two servers on one PostgreSQL database: what must happen once happens once.

    tests/postgres/several_servers.py target/debug/task-api [ROUNDS]

First ten servers start at the same moment on an empty database, several times. Then, in each round, 50 requests at a time go through
two of them. Proved: exactly one wins, no response is a 500 or a 503, a session that ends on one server has ended on the
other, and the audit log is intact and without gaps.
"""

import time
from collections import Counter

from servers import (
    PASSWORD, Client, Stage, check, in_parallel, parse_arguments, random_name, say, wait_for,
)

SERVERS, STARTS = 10, 5
ATTEMPTS = 50
# POST /refresh accepts the token that was replaced last for this long.
REFRESH_GRACE = 10
MAX_API_TOKENS = 20
DATABASE = "tasks"
LINK_USED = "link_used_or_expired"
ALL_ANSWERS = Counter()


class Race:
    """Requests of two servers' clients that are sent at the same moment."""

    def __init__(self, servers, token=None):
        self.servers, self.token = servers, token

    def run(self, requests):
        """Sends each request, (method, path, body, headers), to the servers in turn; returns the answers."""
        def sender(number, method, path, body=None, headers=None):
            client = Client(self.servers[number % 2], self.token)
            # Connected before the start, so that the requests arrive together.
            client.connection.connect()
            return lambda: client.send(method, path, body, **(headers or {}))

        answers = in_parallel([sender(number, *request) for number, request in enumerate(requests)])
        for answer in answers:
            ALL_ANSWERS[answer.status] += 1
            check(answer.status < 500, f"{requests[0][:2]}: {answer}")
        return answers

    def expect(self, name, requests, expected):
        """Checks how often each status and code comes."""
        answers = self.run(requests)
        found = Counter((answer.status, answer.code) for answer in answers)
        check(found == Counter(expected), f"{name}: {dict(found)}, expected {expected}")
        return answers


def sign_up(name, email, **more):
    body = {"username": name, "email": f"{email}@example.com", "password": PASSWORD, **more}
    return "POST", "/signup", body


def start_together(stage, node, database):
    """Ten servers on an empty database come up. Each logs a link for the first admin, and one link can be used."""
    node.sql(f"CREATE DATABASE {database}")
    url = node.url(database)
    # They generate one signing key, which they share.
    settings = {"PUBLIC_URL": "http://127.0.0.1", "JWT_SECRET_KEY": None}
    servers = [stage.server(url, **settings) for _ in range(SERVERS)]
    in_parallel([lambda server=server: server.start(is_ready=False) for server in servers])
    for server in servers:
        server.wait_until_ready()
    servers[0].verify_audit_log()
    links = []
    for server in servers:
        wait_for("the link for the first admin", lambda: "#invitation=" in server.log())
        links += [line.partition("#invitation=")[2].split()[0] for line in server.log().splitlines() if "#inv" in line]
    check(len(set(links)) == SERVERS, f"{len(set(links))} links for the first admin")
    requests = [sign_up(f"admin{n}", f"admin{n}", invitation=link) for n, link in enumerate(links)]
    answers = Race(servers).expect("the links of the first start", requests, {(201, ""): 1, (410, LINK_USED): SERVERS - 1})
    winner = next(answer.body["username"] for answer in answers if answer.status == 201)
    servers[0].verify_audit_log()
    for server in servers:
        check(" ERROR " not in server.log() and "cannot" not in server.log(), f"a failure in the log:\n{server.log()}")
    return servers, winner


def unique_names(race):
    losers = {(201, ""): 1, (409, "account_exists"): ATTEMPTS - 1}
    name = random_name()
    race.expect("one username", [sign_up(name, random_name()) for _ in range(ATTEMPTS)], losers)
    address = random_name()
    race.expect("one e-mail address", [sign_up(random_name(), address) for _ in range(ATTEMPTS)], losers)


def one_time_links(race, admin):
    invitation = admin.expect(201, "POST", "/invitations", {"role": "employee"}).body["token"]
    requests = [sign_up(random_name(), random_name(), invitation=invitation) for _ in range(ATTEMPTS)]
    race.expect("one invitation", requests, {(201, ""): 1, (410, LINK_USED): ATTEMPTS - 1})

    user = new_account(admin)
    token = admin.expect(201, "POST", f"/users/{user['id']}/password-reset").body["token"]
    requests = [("POST", "/password-reset", {"token": token, "password": f"{random_name()}{n}"}) for n in range(ATTEMPTS)]
    race.expect("one reset link", requests, {(204, ""): 1, (410, LINK_USED): ATTEMPTS - 1})


def new_account(admin, role="employee"):
    """A new account that is approved."""
    name = random_name()
    invitation = admin.expect(201, "POST", "/invitations", {"role": role}).body["token"]
    method, path, body = sign_up(name, name, invitation=invitation)
    return admin.expect(201, method, path, body).body


def refresh_tokens(servers, admin):
    """Within the grace period all get one next token; a reuse after it ends the session, on both servers."""
    name = new_account(admin)["username"]
    tokens = Client(servers[0]).sign_in(name).body
    race = Race(servers, tokens["refresh_token"])
    answers = race.expect("one refresh token", [("POST", "/refresh")] * ATTEMPTS, {(200, ""): ATTEMPTS})
    next_tokens = {answer.body["refresh_token"] for answer in answers}
    check(len(next_tokens) == 1, f"{len(next_tokens)} next refresh tokens")
    access = answers[0].body["token"]
    time.sleep(REFRESH_GRACE + 0.5)
    race.expect("a refresh token that is used again", [("POST", "/refresh")] * 2, {(401, "invalid_token"): 2})
    Race(servers, access).expect("its session", [("GET", "/hello")] * 2, {(401, "invalid_token"): 2})
    Race(servers, next_tokens.pop()).expect("its successor", [("POST", "/refresh")] * 2, {(401, "invalid_token"): 2})


def idempotency_keys(race, node):
    key = random_name()
    requests = [("POST", "/tasks", {"title": key}, {"Idempotency_Key": key})] * ATTEMPTS
    check_same(race.expect("one key on POST /tasks", requests, {(201, ""): ATTEMPTS}))
    count = node.sql(f"SELECT count(*) FROM task WHERE title = '{key}'", DATABASE)
    check(count == "1", f"{count} tasks of one Idempotency-Key")

    method, path, body = sign_up(key, key)
    requests = [(method, path, body, {"Idempotency_Key": key})] * ATTEMPTS
    check_same(race.expect("one key on POST /signup", requests, {(201, ""): ATTEMPTS}))


def check_same(answers):
    bodies = {str(sorted(answer.body.items())) for answer in answers}
    check(len(bodies) == 1, f"{len(bodies)} different responses of one Idempotency-Key: {sorted(bodies)[:2]}")
    replayed = sum("Idempotency-Replayed" in answer.headers for answer in answers)
    check(replayed == len(answers) - 1, f"{replayed} of {len(answers)} responses are replayed")


def last_admin(servers, admin, me):
    """Two admins withdraw each other's role at the same moment: one of them remains."""
    name = new_account(admin, "admin")["username"]
    other = Client(servers[1])
    other.sign_in(name)
    ids = [client.expect(200, "GET", "/me").body["id"] for client in (admin, other)]
    demote = {"role": "employee"}
    answers = in_parallel([
        lambda: admin.send("PATCH", f"/users/{ids[1]}", demote), lambda: other.send("PATCH", f"/users/{ids[0]}", demote),
    ])
    found = Counter(answer.status for answer in answers)
    # The second one is no admin any longer, or is the last one.
    check(found in (Counter({200: 1, 409: 1}), Counter({200: 1, 403: 1})), f"two admins demote each other: {answers}")
    ALL_ANSWERS.update(found)
    winner, loser_id = (admin, ids[1]) if answers[0].status == 200 else (other, ids[0])
    winner.expect(409, "PATCH", f"/users/{ids[0] if winner is admin else ids[1]}", demote)
    winner.expect(200, "PATCH", f"/users/{loser_id}", {"role": "admin"})
    admin.expect(200, "GET", f"/users/{ids[1]}")
    admin.expect(200, "PATCH", f"/users/{ids[1]}", demote)
    check(admin.expect(200, "GET", "/me").body["username"] == me, "the first admin is another one")


def api_tokens(servers, admin):
    name = new_account(admin)["username"]
    client = Client(servers[0])
    client.sign_in(name)
    body = {"name": "script", "scope": "read", "current_password": PASSWORD}
    expected = {(201, ""): MAX_API_TOKENS, (409, "too_many_tokens"): ATTEMPTS - MAX_API_TOKENS}
    Race(servers, client.token).expect("tokens for scripts", [("POST", "/me/tokens", body)] * ATTEMPTS, expected)


def preconditions(race, admin):
    task = admin.expect(201, "POST", "/tasks", {"title": "contested"})
    tag = admin.expect(200, "GET", f"/tasks/{task.body['id']}").headers["ETag"]
    requests = [
        ("PATCH", f"/tasks/{task.body['id']}", {"title": f"change {n}"}, {"If_Match": tag}) for n in range(ATTEMPTS)
    ]
    expected = {(200, ""): 1, (412, "precondition_failed"): ATTEMPTS - 1}
    winner = next(answer for answer in race.expect("one ETag", requests, expected) if answer.status == 200)
    title = admin.expect(200, "GET", f"/tasks/{task.body['id']}").body["title"]
    check(title == winner.body["title"], "the change that has succeeded is not there")


def sessions(servers, admin):
    """A session that one server ends is over at once on the other."""
    name = new_account(admin)["username"]
    for first, second in (servers, servers[::-1]):
        client = Client(first)
        client.sign_in(name)
        other = Client(second, client.token)
        other.expect(200, "GET", "/hello")
        client.expect(204, "POST", "/logout")
        other.expect(401, "GET", "/hello")


def many_tasks(race):
    """Writes of different rows disturb each other seldom, and never visibly."""
    for _ in range(4):
        requests = [("POST", "/tasks", {"title": f"task {n}"}) for n in range(ATTEMPTS)]
        race.expect("tasks", requests, {(201, ""): ATTEMPTS})


def sign_ins(servers, admin):
    """Each writes an entry of the audit log, so all of them conflict."""
    name = new_account(admin)["username"]
    login = {"email": f"{name}@example.com", "password": PASSWORD}
    Race(servers).expect("sign-ins", [("POST", "/login", login)] * ATTEMPTS, {(200, ""): ATTEMPTS})


def check_audit_log(node, server):
    server.verify_audit_log()
    count, first, last, head = node.sql(
        "SELECT count(*), min(id), max(id), (SELECT count FROM audit_head) FROM audit", DATABASE
    ).split("|")
    check(first == "1" and count == last == head, f"the audit log has gaps: {count} entries, {first} to {last}")
    return count


def run_round(servers, me, node):
    pair = servers[:2]
    admin = Client(pair[0])
    admin.sign_in(me)
    race = Race(pair, admin.token)
    steps = {
        "unique names": lambda: unique_names(Race(pair)),
        "one-time links": lambda: one_time_links(Race(pair), admin),
        "idempotency keys": lambda: idempotency_keys(race, node),
        "last admin": lambda: last_admin(pair, admin, me),
        "tokens for scripts": lambda: api_tokens(pair, admin),
        "preconditions": lambda: preconditions(race, admin),
        "sessions": lambda: sessions(pair, admin),
        "tasks": lambda: many_tasks(race),
        "sign-ins": lambda: sign_ins(pair, admin),
        "refresh tokens": lambda: refresh_tokens(pair, admin),
    }
    times = []
    for name, step in steps.items():
        begin = time.monotonic()
        step()
        times.append(f"{name} {time.monotonic() - begin:.1f} s")
    return ", ".join(times)


def main():
    arguments = parse_arguments(
        __doc__, lambda parser: parser.add_argument("rounds", type=int, nargs="?", default=1, help="rounds (1)")
    )
    with Stage(arguments.binary) as stage:
        node = stage.postgres().start()
        for database in [*(f"start{n}" for n in range(1, STARTS)), DATABASE]:
            begin = time.monotonic()
            servers, me = start_together(stage, node, database)
            say(f"{SERVERS} servers start together on an empty database: {time.monotonic() - begin:.1f} s")
            for server in servers[2 if database == DATABASE else 0:]:
                server.stop()
        for round_ in range(1, arguments.rounds + 1):
            times = run_round(servers, me, node)
            entries = check_audit_log(node, servers[0])
            say(f"round {round_}: {times}; {entries} entries in the audit log, without gaps")
        for server in servers[:2]:
            server.check_running()
            check(node.password not in server.log(), "the password is in the log")
            check(" failure]" not in server.log(), f"failures in the log:\n{server.log()}")
        conflicts = [int(server.metric("database_conflicts_total")) for server in servers[:2]]
        check(all(conflicts), "no transactions conflict: this proves nothing")
        say(f"responses: {dict(sorted(ALL_ANSWERS.items()))}; transactions that were run again: {sum(conflicts)}")


if __name__ == "__main__":
    main()
