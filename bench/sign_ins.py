"""People who sign in: many at the same moment, or one after another while an attacker signs in without a pause."""

import asyncio
import itertools
import json
import multiprocessing
import time
from dataclasses import dataclass

import database

# Seconds to wait after a response without `Retry-After`, or after a broken connection.
RETRY_AFTER = 1.0
ATTACKER_ADDRESSES = ["127.0.0.66", "127.0.0.67"]
CONNECTIONS_PER_ATTACKER = 7
ATTACKER_ACCOUNTS = 3
HONEST_PEOPLE = 10
# Seconds within which an honest person expects the response.
PATIENCE = 2.0
# Seconds by which the attack begins before the first honest person.
LEAD = 1.0


class Client:
    """A connection to the server from a given address of this machine."""

    def __init__(self, port, address):
        self.port, self.address = port, address

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(self.address, 0)
        )
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def sign_in(self, email):
        """Returns the status, and the seconds after which the client may try again."""
        body = json.dumps({"email": email, "password": database.PASSWORD})
        self.writer.write(
            "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        await self.reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), float(headers.get("retry-after", RETRY_AFTER))


async def sign_in_once(port, address, email):
    """Signs in on a new connection. A broken connection counts as the status 0."""
    try:
        async with Client(port, address) as client:
            return await client.sign_in(email)
    except (OSError, EOFError):
        return 0, RETRY_AFTER


# ---- many at once -----------------------------------------------------------------------------------


@dataclass
class Crowd:
    # Seconds until the last person is signed in, or until the limit.
    seconds: float
    # Responses other than 200; each is followed by another attempt.
    refused: int
    # People who are not signed in at the limit.
    left_out: int


def crowd(port, people, many_addresses, limit):
    """`people` sign in at the same moment, all from one address or each from its own. A person who is refused
    tries again after the time that the response names, until `limit` seconds have passed."""
    return asyncio.run(sign_in_crowd(port, people, many_addresses, limit))


async def sign_in_crowd(port, people, many_addresses, limit):
    result = Crowd(0, 0, 0)

    async def person(number):
        address = own_address(number) if many_addresses else "127.0.0.1"
        while True:
            status, retry_after = await sign_in_once(port, address, database.PEOPLE[number])
            if status == 200:
                return
            result.refused += 1
            await asyncio.sleep(retry_after)

    begin = time.perf_counter()
    tasks = [asyncio.create_task(person(number)) for number in range(people)]
    _, waiting = await asyncio.wait(tasks, timeout=limit)
    result.seconds, result.left_out = time.perf_counter() - begin, len(waiting)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return result


def own_address(number):
    return f"127.0.{1 + number // 200}.{1 + number % 200}"


# ---- an attacker ------------------------------------------------------------------------------------


@dataclass
class Defence:
    people: int
    # Honest people who were signed in within PATIENCE.
    answered: int
    # The longest time of these people; 0 if there are none.
    slowest_seconds: float


def attack(port, with_accounts):
    """An attacker signs in without a pause from two addresses with seven connections each: with the right passwords of
    three accounts, or for accounts that do not exist. Meanwhile people sign in from other addresses, one after
    another. The attacker is a process of its own, so that its work does not delay them here."""
    attacker = multiprocessing.Process(target=run_attacker, args=(port, with_accounts), daemon=True)
    attacker.start()
    try:
        time.sleep(LEAD)
        return asyncio.run(honest_people(port))
    finally:
        attacker.terminate()
        attacker.join()


async def honest_people(port):
    times = []
    for number in range(HONEST_PEOPLE):
        # The attacker uses the first accounts.
        email = database.PEOPLE[ATTACKER_ACCOUNTS + number]
        begin = time.perf_counter()
        try:
            status, _ = await asyncio.wait_for(sign_in_once(port, own_address(number), email), PATIENCE)
        except TimeoutError:
            status = 0
        if status == 200:
            times.append(time.perf_counter() - begin)
    return Defence(HONEST_PEOPLE, len(times), max(times, default=0))


def run_attacker(port, with_accounts):
    asyncio.run(attack_from_all(port, with_accounts))


async def attack_from_all(port, with_accounts):
    known = itertools.cycle(database.PEOPLE[:ATTACKER_ACCOUNTS])
    unknown = (f"unknown{number}@example.com" for number in itertools.count())
    emails = known if with_accounts else unknown
    addresses = ATTACKER_ADDRESSES * CONNECTIONS_PER_ATTACKER
    await asyncio.gather(*(attack_from(port, address, emails) for address in addresses))


async def attack_from(port, address, emails):
    while True:
        try:
            async with Client(port, address) as client:
                while True:
                    await client.sign_in(next(emails))
        except (OSError, EOFError):
            await asyncio.sleep(0.01)  # The server has closed the connection.
