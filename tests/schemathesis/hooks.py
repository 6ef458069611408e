"""Schemathesis hooks for `run`: how it signs in, and which valid requests the server may still reject."""

import itertools
import os
import re
import subprocess
import unicodedata

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


# ---- headers of the server's own pages ---------------------------------------------------------------------


@schemathesis.hook
def before_call(context, case, kwargs):
    """Removes a header that works only in a page of the server: any other client gets 403."""
    if case.headers and case.headers.get("Refresh-Cookie") == "true":
        del case.headers["Refresh-Cookie"]


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


# Characters that show nothing, and those that a line must not contain.
INVISIBLE = re.compile(
    r"[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f"
    r"\ufeff\uffa0\ufff0-\ufff8\U0001107f\U00013441\U00013442\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff]"
)
UNSAFE_IN_LINE = re.compile(r"[\n-\r\x85\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff]")


def is_letter_mark_or_number(character):
    return unicodedata.category(character)[0] in "LMN" and not INVISIBLE.match(character)


def is_in_names(character):
    category = unicodedata.category(character)
    return category == "Zs" or (category[0] in "LMNPS" and not INVISIBLE.match(character))


def breaks_rule_outside_the_pattern(field, text):
    """Whether the rules of a text refuse it although it matches its pattern, which cannot name characters beyond ASCII.
    Written independently of the program, from the descriptions of the fields."""
    line = text.strip()
    match field:
        case "title" | "name":
            return not INVISIBLE.sub("", line) or UNSAFE_IN_LINE.search(line)
        case "q":
            return UNSAFE_IN_LINE.search(text)
        case "username":
            return not INVISIBLE.sub("", line) or not all(map(is_in_names, line))
        case "email":
            local, _, domain = unicodedata.normalize("NFC", line).partition("@")
            beyond_ascii = (character for character in local + domain if character > "\x7f")
            is_too_long = any(len(label) > 63 for label in domain.split("."))
            return is_too_long or not all(map(is_letter_mark_or_number, beyond_ascii))
    return False


def may_be_invalid(case, field, reason):
    if (field, reason) in RULES_OUTSIDE_THE_SCHEMA:
        return True
    sent = case.body if isinstance(case.body, dict) else case.query or {}
    return isinstance(sent.get(field), str) and breaks_rule_outside_the_pattern(field, sent[field])


def header_patterns(case):
    """Yields the name and the pattern of each header that has a pattern."""
    for header in case.operation.headers:
        if pattern := header.definition.get("schema", {}).get("pattern"):
            yield header.name.lower(), pattern


EVERY_OTHER = itertools.cycle([True, False])


@schemathesis.hook
def before_call(context, case, kwargs):
    """No generated entity tag is that of the current version, so every other valid `If-Match` becomes `*`."""
    for name, pattern in header_patterns(case):
        for sent in list(case.headers or {}):
            if sent.lower() == name == "if-match" and re.search(pattern, case.headers[sent]) and next(EVERY_OTHER):
                case.headers[sent] = "*"


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
            return all(may_be_invalid(case, field, reason) for field, reason in body["errors"].items())
    return False


# ---- requests against the schema that the server accepts -------------------------------------------------


def has_blank_parameter(case):
    """Whether a query parameter has a blank value, which counts as absent. `allowEmptyValue` of OpenAPI would say
    so, but utoipa has no such field."""
    return any(isinstance(value, str) and not value.strip() for value in (case.query or {}).values())


# The longest texts, which are counted after the program has removed white space around them, and in NFC.
MAX_LENGTHS = {"username": 80, "email": 120, "title": 255, "name": 80}


def has_text_that_is_shorter_when_stored(case):
    sent = case.body if isinstance(case.body, dict) else {}
    texts = ((sent.get(field), length) for field, length in MAX_LENGTHS.items())
    return any(
        isinstance(text, str) and len(unicodedata.normalize("NFC", text.strip())) <= length < len(text)
        for text, length in texts
    )


@schemathesis.hook
def filter_failure(context, failure, case, response):
    # No generated token is that of an open link, and a link is looked up before the other fields are checked.
    if response is not None and response.status_code == 410:
        return not isinstance(failure, (RejectedPositiveData, AcceptedNegativeData))
    if isinstance(failure, RejectedPositiveData):
        return not may_be_rejected(case, response)
    if isinstance(failure, AcceptedNegativeData):
        return not (has_blank_parameter(case) or has_text_that_is_shorter_when_stored(case))
    return True
