"""The program under test, for the scripts of this folder: starts it, signs in, creates tasks and reads them."""

import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from ports import free_port  # noqa: E402

PASSWORD = 'correct horse battery'
TIMEOUT = 60


class Server:
    """A database in a folder, and the server on it."""

    def __init__(self, binary, folder):
        self.binary = pathlib.Path(binary).resolve()
        self.folder = pathlib.Path(folder)
        self.log_path = None
        self.process = None

    def environment(self, **more):
        database = f'sqlite:///{self.folder}/project.db'
        fixed = {'DATABASE_URL': database, 'RATE_LIMITS': 'off', 'PASSWORD_ITERATIONS': '10', 'RUST_LOG': 'warn'}
        return fixed | more

    def command(self, *arguments, text=None):
        """Runs a command of the program, and returns its exit code and what it has printed."""
        done = subprocess.run(
            [self.binary, *arguments], env=self.environment(), input=text, capture_output=True, text=True, timeout=TIMEOUT
        )
        return done.returncode, done.stdout + done.stderr

    def create_admin(self):
        code, output = self.command(
            'user', 'create', '--username', 'ada', '--email', 'ada@example.com', '--role', 'admin', '--approved',
            '--password-stdin', text=PASSWORD,
        )
        assert code == 0, output

    def start(self, log_path, wait=True, **settings):
        """Starts the server. Its log goes to a file."""
        self.log_path = pathlib.Path(log_path)
        self.port = free_port()
        environment = self.environment(PORT=str(self.port), **settings)
        with open(self.log_path, 'w') as log:
            self.process = subprocess.Popen([self.binary], env=environment, stderr=log, stdin=subprocess.DEVNULL)
        if wait:
            self.wait_for('the server', lambda: self.get('/healthz') == 200)

    def wait_for(self, what, condition):
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except OSError:
                assert self.process.poll() is None, f'the server has ended: {self.log()}'
            time.sleep(0.05)
        raise AssertionError(f'{what}: not within {TIMEOUT} s; {self.log()}')

    def wait_until_ready_or_gone(self):
        """Returns None when the server responds, and its exit code if it ends before."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            code = self.process.poll()
            if code is not None:
                return code
            try:
                self.get('/healthz')
                return None
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f'neither ready nor gone; {self.log()}')

    def log(self):
        return self.log_path.read_text()

    def connect(self):
        return http.client.HTTPConnection('127.0.0.1', self.port, timeout=TIMEOUT)

    def send(self, method, path, body=None, token=None, connection=None):
        """Sends a request, and returns the status and the body as JSON."""
        connection = connection or self.connect()
        headers = {'Content-Type': 'application/json'} if body is not None else {}
        if token:
            headers['Authorization'] = f'Bearer {token}'
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        content = response.read()
        return response.status, json.loads(content) if content else None

    def get(self, path, token=None):
        return self.send('GET', path, token=token)[0]

    def sign_in(self):
        status, body = self.send('POST', '/login', {'email': 'ada@example.com', 'password': PASSWORD})
        assert status == 200, (status, body)
        return body['token']

    def titles(self, token):
        """The titles of all tasks."""
        titles, path = [], '/tasks?limit=100'
        while path:
            status, page = self.send('GET', path, token=token)
            assert status == 200, (status, page)
            titles += [task['title'] for task in page['items']]
            cursor = page['next_cursor']
            path = f'/tasks?limit=100&cursor={cursor}' if cursor else None
        return titles

    def kill(self):
        """Ends the server as a power cut would: no signal handler runs."""
        self.process.send_signal(signal.SIGKILL)
        return self.process.wait(TIMEOUT)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(TIMEOUT)
        assert code == 0, (code, self.log())

    def end(self):
        """Ends the server in any case."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(TIMEOUT)

    def check(self):
        """Checks the file and the audit log, while the server is stopped."""
        code, output = self.command('audit', 'verify')
        assert code == 0, output


def say(text):
    print(text, flush=True)


assert os.name == 'posix'
