#!/usr/bin/env python3
"""Fills the disk under the server: a file system in memory of a few megabytes. Needs root, to mount it.

Usage: full_disk.py BINARY
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from server import Server, say

SIZE = 6 << 20


class SmallDisk:
    """A file system in memory, mounted on a folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.filler = self.folder / 'filler'

    def __enter__(self):
        subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={SIZE}', 'tmpfs', self.folder], check=True)
        return self

    def __exit__(self, *_):
        subprocess.run(['umount', self.folder], check=True)

    def fill(self):
        with open(self.filler, 'ab') as filler:
            for size in (4096, 1):
                try:
                    while True:
                        os.write(filler.fileno(), b'x' * size)
                except OSError:
                    pass

    def free(self):
        self.filler.unlink()

    def grow(self):
        subprocess.run(['mount', '-o', f'remount,size={2 * SIZE}', self.folder], check=True)


def create_tasks(server, token, count):
    """Creates tasks, and returns the titles of those that were acknowledged, and how many were refused."""
    acknowledged, refused = set(), 0
    connection = server.connect()
    for number in range(count):
        title = f'{len(acknowledged)}-{number}'
        task = {'title': title, 'description': 'd' * 4000}
        status, body = server.send('POST', '/tasks', task, token, connection)
        if status == 201:
            acknowledged.add(title)
        else:
            assert (status, body['code']) == (503, 'storage_unavailable'), (status, body)
            refused += 1
    return acknowledged, refused


def main():
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as logs:
        with SmallDisk(folder) as disk:
            server = Server(sys.argv[1], folder)
            try:
                run(server, disk, logs)
            finally:
                server.end()


def run(server, disk, logs):
    server.create_admin()
    server.start(f'{logs}/1')
    token = server.sign_in()
    acknowledged, refused = create_tasks(server, token, 3000)
    assert len(acknowledged) > 500 and refused, (len(acknowledged), refused)
    disk.fill()
    server.wait_for('readiness to end', lambda: server.get('/readyz') == 503)
    assert set(server.titles(token)) == acknowledged
    assert server.get('/healthz') == 200
    say(f'full disk: {len(acknowledged)} tasks stored, {refused} refused, reads work, not ready')

    # A start on a full disk answers reads, or ends with a line. It must not be ended by a signal.
    server.kill()
    server.start(f'{logs}/2', wait=False)
    code = server.wait_until_ready_or_gone()
    if code is None:
        assert set(server.titles(token)) == acknowledged
        say('a start on a full disk: reads work')
    else:
        assert code == 1, (code, server.log())
        say(f'a start on a full disk: {server.log().strip()}')

    server.end()
    disk.grow()
    server.start(f'{logs}/3')
    server.wait_for('readiness', lambda: server.get('/readyz') == 200)
    assert set(server.titles(token)) == acknowledged
    disk.fill()
    server.wait_for('readiness to end', lambda: server.get('/readyz') == 503)
    disk.free()
    server.wait_for('readiness', lambda: server.get('/readyz') == 200)
    assert server.send('POST', '/tasks', {'title': 'after'}, token)[0] == 201
    log = server.log()
    assert log.count('requests that write get 503') == 1 and log.count('the outage ended') == 1, log
    server.stop()
    server.check()
    say('room again: writes succeed without a restart, nothing is lost')


if __name__ == '__main__':
    main()
