#!/usr/bin/env python3
"""Ends the server with `kill -9` while 64 clients create tasks, again and again on one database. After each restart
every task that was acknowledged must be there.

Usage: kill.py BINARY [ROUNDS]
"""

import random
import sys
import tempfile
import threading
import time

from server import Server, say

WRITERS = 64


def write(server, token, name, acknowledged, attempted, failures, stop):
    """Creates tasks on one connection until the server is gone."""
    connection, number = server.connect(), 0
    while not stop.is_set():
        title = f'{name}-{number}'
        number += 1
        attempted.add(title)
        try:
            status, body = server.send('POST', '/tasks', {'title': title}, token, connection)
        except Exception:  # the server was killed: the connection breaks in any way
            return
        if status == 201:
            acknowledged.add(title)
        else:
            failures.append((status, body))


def main():
    binary, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
    acknowledged, attempted, failures = set(), set(), []
    with tempfile.TemporaryDirectory() as folder:
        server = Server(binary, folder)
        server.create_admin()
        try:
            for round_ in range(rounds):
                server.start(f'{folder}/log')
                token, stop = server.sign_in(), threading.Event()
                before = len(acknowledged)
                writers = [
                    threading.Thread(
                        target=write, args=(server, token, f'{round_}-{n}', acknowledged, attempted, failures, stop)
                    )
                    for n in range(WRITERS)
                ]
                for writer in writers:
                    writer.start()
                server.wait_for('the first task', lambda: len(acknowledged) > before)
                time.sleep(random.uniform(0.2, 1.0))
                server.kill()
                stop.set()
                for writer in writers:
                    writer.join()
                assert not failures, failures[:3]
                server.start(f'{folder}/log')
                titles = server.titles(server.sign_in())
                server.stop()
                assert len(titles) == len(set(titles)), 'a task is there twice'
                lost, invented = acknowledged - set(titles), set(titles) - attempted
                assert not lost, f'{len(lost)} acknowledged tasks are lost, such as {sorted(lost)[:3]}'
                assert not invented, sorted(invented)[:3]
                # What was written but not acknowledged before the kill may be there.
                acknowledged |= set(titles)
                server.check()
                say(f'round {round_ + 1} of {rounds}: {len(acknowledged) - before} tasks, none lost')
        finally:
            server.end()


if __name__ == '__main__':
    main()
