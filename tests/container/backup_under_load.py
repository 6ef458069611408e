#!/usr/bin/env python3
"""Makes a backup while 64 clients create tasks, and writes the titles of the tasks that were acknowledged before the
backup began to a file, one per line.

Usage: backup_under_load.py URL EMAIL PASSWORD TITLES COMMAND...
"""

import http.client
import json
import subprocess
import sys
import threading
import time
import urllib.parse

CLIENTS = 64


def send(connection, path, body, token=None):
    headers = {'Content-Type': 'application/json'}
    if token:
        headers['Authorization'] = f'Bearer {token}'
    connection.request('POST', path, json.dumps(body), headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def write(connect, token, name, acknowledged, failures, stop):
    connection, number = connect(), 0
    while not stop.is_set():
        title = f'{name}-{number}'
        status, _ = send(connection, '/tasks', {'title': title}, token)
        if status == 201:
            acknowledged.append(title)
        elif status == 429:
            time.sleep(0.1)
        else:
            failures.append(status)
        number += 1


def main():
    url, email, password, titles, *command = sys.argv[1:]
    address = urllib.parse.urlsplit(url)

    def connect():
        return http.client.HTTPConnection(address.hostname, address.port, timeout=60)

    status, body = send(connect(), '/login', {'email': email, 'password': password})
    assert status == 200, body
    token = body['token']
    acknowledged, failures, stop = [], [], threading.Event()
    writers = [
        threading.Thread(target=write, args=(connect, token, f'load-{n}', acknowledged, failures, stop))
        for n in range(CLIENTS)
    ]
    for writer in writers:
        writer.start()
    while len(acknowledged) < CLIENTS and not failures:
        time.sleep(0.02)
    before = list(acknowledged)
    code = subprocess.run(command, timeout=120).returncode
    after = len(acknowledged) - len(before)
    stop.set()
    for writer in writers:
        writer.join()
    assert not failures, failures[:3]
    assert code == 0, f'the backup exits with {code}'
    assert before and after, (len(before), after)
    with open(titles, 'w') as file:
        file.write('\n'.join(before) + '\n')
    print(f'{len(before)} tasks were acknowledged before the backup, {after} during it')


if __name__ == '__main__':
    main()
