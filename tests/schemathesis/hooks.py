"""How schemathesis signs in, and what it may be refused: see `run`."""

import itertools
import os
import re
import subprocess

import requests
import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData

PROGRAM = os.environ["TASK_API"]
URL = os.environ["TASK_API_URL"]

# Who asks: nobody, or the name of an account and what it is.
NAME = os.environ["TASK_API_CALLER"]
ROLE, APPROVED = {
    "nobody": (None, False),
    "unapproved": ("employee", False),
    "employee": ("employee", True),
    "manager": ("manager", True),
    "admin": ("admin", True),
}[NAME]
# As in the description's examples, so that they work.
PASSWORD = "correct horse"

# The first admin, whose part in this is to give tasks to the others.
GRACE = {"email": "grace@example.com", "password": PASSWORD}


# ---- signing in ----------------------------------------------------------------------------------------


def log_in(credentials):
    answer = requests.post(f"{URL}/login", json=credentials, timeout=20)
    return answer.json() if answer.status_code == 200 else None


class Account:
    """An account that is what its caller is. Requests may change it, or delete it: then there is another."""

    number = 0

    def tokens(self):
        session = log_in({"email": self.email(), "password": PASSWORD})
        user = session and session["user"]
        if not user or (user["role"], user["is_approved"]) != (ROLE, APPROVED):
            self.make()
            return self.tokens()
        return session

    def name(self):
        return f"{NAME}{self.number}"

    def email(self):
        return f"{self.name()}@example.com"

    def make(self):
        self.number += 1
        command = [PROGRAM, "user", "create", "--username", self.name(), "--email", self.email(), "--role", ROLE]
        command += ["--approved"] if APPROVED else []
        made = subprocess.run([*command, "--password-stdin"], input=PASSWORD, text=True, stdout=subprocess.DEVNULL)
        if made.returncode == 0:
            give_task(self.email())


def give_task(email):
    """Makes a task of this account, so that an employee has one. Another admin may have changed grace."""
    session = log_in(GRACE)
    user = log_in({"email": email, "password": PASSWORD})
    if session and user:
        headers = {"Authorization": f"Bearer {session['token']}"}
        task = {"title": "water the plants", "assigned_user_id": user["user"]["id"]}
        requests.post(f"{URL}/tasks", json=task, headers=headers, timeout=20)


ACCOUNT = Account()


# Without an interval no token is kept: many requests end the session that they are sent with.
@schemathesis.auth(refresh_interval=None)
class Session:
    def get(self, case, context):
        security = case.operation.definition.raw["security"]
        schemes = {scheme for requirement in security for scheme in requirement}
        if NAME == "nobody" or not schemes & {"accessToken", "refreshToken"}:
            return None
        return ACCOUNT.tokens()["refresh_token" if "refreshToken" in schemes else "token"]

    def set(self, case, token, context):
        case.headers["Authorization"] = f"Bearer {token}"


# ---- examples that work ----------------------------------------------------------------------------------

KEYS = itertools.count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    """The description's example of a header is one version, and one key: here they are the current one, and new."""
    for header in case.operation.headers:
        if case.headers and case.headers.get(header.name) == header.definition.get("example", header):
            match header.name:
                case "If-Match":
                    case.headers[header.name] = "*"
                case "Idempotency-Key":
                    case.headers[header.name] = f"key-{next(KEYS)}"


# ---- what may be refused although it is as the description says ------------------------------------------

# What no schema can say: field, and why it is refused.
UNSAID = {
    ("cursor", "is not one that this list gave out; begin again without it"),
    ("assigned_user_id", "is no account's id"),
    ("password", "is one of the most common passwords"),
    ("password", "must not be the account's name or e-mail"),
}


def patterns(case):
    """The headers that have a form, and the form."""
    for header in case.operation.headers:
        if pattern := header.definition.get("schema", {}).get("pattern"):
            yield header.name.lower(), pattern


def may_be_refused(case, response):
    body = response.json()
    sent = {name.lower(): value for name, value in (case.headers or {}).items()}
    match body["code"]:
        # The version that is asked for is not the current one, which nobody could know.
        case "precondition_failed":
            return "if-match" in sent or "if-none-match" in sent
        # The same key with another body.
        case "idempotency_key_reused":
            return "idempotency-key" in sent
        # Schemathesis 4.32.5 finds no text for a header whose pattern has a quote in it, and sends `0`.
        case "bad_request":
            return any(
                name in sent and not re.search(pattern, sent[name]) for name, pattern in patterns(case)
            )
        case "invalid":
            return set(body["errors"].items()) <= UNSAID
    return False


@schemathesis.hook
def filter_failure(context, failure, case, response):
    return not (isinstance(failure, RejectedPositiveData) and may_be_refused(case, response))
