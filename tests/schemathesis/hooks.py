"""Schemathesis hooks for `run`: how it signs in, and which valid requests the server may still reject."""

import itertools
import os
import re
import subprocess

import requests
import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

PROGRAM = os.environ["TASK_API"]
URL = os.environ["TASK_API_URL"]

# The caller: anonymous, or the name of an account, from which its role and its approval follow.
CALLER = os.environ["TASK_API_CALLER"]
ROLE, APPROVED = {
    "anonymous": (None, False),
    "unapproved": ("employee", False),
    "employee": ("employee", True),
    "manager": ("manager", True),
    "admin": ("admin", True),
}[CALLER]
# The password in the examples of the OpenAPI document, so that the examples work.
PASSWORD = "correct horse"

# The first admin, who creates tasks for the other accounts.
FIRST_ADMIN = {"email": "grace@example.com", "password": PASSWORD}


# ---- signing in ----------------------------------------------------------------------------------------


def log_in(credentials):
    response = requests.post(f"{URL}/login", json=credentials, timeout=20)
    return response.json() if response.status_code == 200 else None


class Account:
    """An account with the caller's role and approval. If a request has changed or deleted it, another is created."""

    number = 0

    def tokens(self):
        session = log_in({"email": self.email(), "password": PASSWORD})
        user = session and session["user"]
        if not user or (user["role"], user["is_approved"]) != (ROLE, APPROVED):
            self.create()
            return self.tokens()
        return session

    def name(self):
        return f"{CALLER}{self.number}"

    def email(self):
        return f"{self.name()}@example.com"

    def create(self):
        self.number += 1
        command = [PROGRAM, "user", "create", "--username", self.name(), "--email", self.email(), "--role", ROLE]
        command += ["--approved"] if APPROVED else []
        created = subprocess.run([*command, "--password-stdin"], input=PASSWORD, text=True, stdout=subprocess.DEVNULL)
        if created.returncode == 0:
            give_task(self.email())


def give_task(email):
    """Creates a task for this account, so that an employee has one. Does nothing if the first admin cannot sign in,
    since an earlier request may have changed that account."""
    session = log_in(FIRST_ADMIN)
    user = log_in({"email": email, "password": PASSWORD})
    if session and user:
        headers = {"Authorization": f"Bearer {session['token']}"}
        task = {"title": "water the plants", "assigned_user_id": user["user"]["id"]}
        requests.post(f"{URL}/tasks", json=task, headers=headers, timeout=20)


ACCOUNT = Account()


# Without a refresh interval tokens are not cached, because many requests end the session that they are sent with.
@schemathesis.auth(refresh_interval=None)
class Session:
    def get(self, case, context):
        security = case.operation.definition.raw["security"]
        schemes = {scheme for requirement in security for scheme in requirement}
        if CALLER == "anonymous" or not schemes & {"accessToken", "refreshToken"}:
            return None
        return ACCOUNT.tokens()["refresh_token" if "refreshToken" in schemes else "token"]

    def set(self, case, token, context):
        case.headers["Authorization"] = f"Bearer {token}"


# ---- examples that work ----------------------------------------------------------------------------------

KEYS = itertools.count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Replaces the examples of two headers by values that work: `If-Match: *` matches the current version, and each
    request gets a new idempotency key."""
    for header in case.operation.headers:
        if case.headers and case.headers.get(header.name) == header.definition.get("example", header):
            match header.name:
                case "If-Match":
                    case.headers[header.name] = "*"
                case "Idempotency-Key":
                    case.headers[header.name] = f"key-{next(KEYS)}"


# ---- valid requests that the server may reject ----------------------------------------------------------

# Rules that a schema cannot express: the field and the error.
RULES_OUTSIDE_THE_SCHEMA = {
    ("cursor", "is not a cursor of this list; start without one"),
    ("assigned_user_id", "is not the id of an account"),
    ("email", "must have a valid domain"),
    ("email", "must be at most 120 characters"),
    ("password", "is one of the most common passwords"),
    ("password", "must not be the account's name or e-mail"),
}


def header_patterns(case):
    """Yields the name and the pattern of each header that has a pattern."""
    for header in case.operation.headers:
        if pattern := header.definition.get("schema", {}).get("pattern"):
            yield header.name.lower(), pattern


def may_be_rejected(case, response):
    body = response.json()
    sent = {name.lower(): value for name, value in (case.headers or {}).items()}
    match body["code"]:
        # A generated version cannot be the current one.
        case "precondition_failed":
            return "if-match" in sent or "if-none-match" in sent
        # A key was sent again with another body.
        case "idempotency_key_reused":
            return "idempotency-key" in sent
        # Schemathesis 4.32.5 cannot generate a value for a header whose pattern contains a quote, and sends `0`.
        case "bad_request":
            return any(
                name in sent and not re.search(pattern, sent[name]) for name, pattern in header_patterns(case)
            )
        case "invalid":
            return set(body["errors"].items()) <= RULES_OUTSIDE_THE_SCHEMA
    return False


# ---- requests against the schema that the server accepts -------------------------------------------------


def has_blank_parameter(case):
    """Whether a query parameter has a blank value, which counts as absent. `allowEmptyValue` of OpenAPI would say
    so, but utoipa has no such field."""
    return any(isinstance(value, str) and not value.strip() for value in (case.query or {}).values())


@schemathesis.hook
def filter_failure(context, failure, case, response):
    # No generated token is that of an open link, and a link is looked up before the other fields are checked.
    if response is not None and response.status_code == 410:
        return not isinstance(failure, (RejectedPositiveData, AcceptedNegativeData))
    if isinstance(failure, RejectedPositiveData):
        return not may_be_rejected(case, response)
    if isinstance(failure, AcceptedNegativeData):
        return not has_blank_parameter(case)
    return True
