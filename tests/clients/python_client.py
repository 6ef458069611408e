"""Goes through the API with the client that openapi-python-client has generated into the package `task_api_client`. The
arguments are the server's URL and the password of the admin `grace`."""

import sys
from datetime import datetime, timezone

from task_api_client import AuthenticatedClient, Client
from task_api_client.api.me import show_me
from task_api_client.api.sign_in import log_in, refresh, sign_up
from task_api_client.api.tasks import create_task, delete_task, list_tasks, show_task, update_task
from task_api_client.api.users import update_user
from task_api_client.models import (
    Credentials,
    Error,
    ErrorCode,
    ListTasksSort,
    NewTask,
    NewUser,
    Role,
    SignInResponse,
    Status,
    Task,
    TaskPage,
    TaskPatch,
    TokenResponse,
    User,
    UserPatch,
)
from task_api_client.types import UNSET

URL, ADMIN_PASSWORD = sys.argv[1:]


def client_of(token):
    return AuthenticatedClient(base_url=URL, token=token)


def expect(kind, response, status):
    """The parsed body of a response, of this type."""
    assert response.status_code == status, response
    assert isinstance(response.parsed, kind), response
    return response.parsed


def expect_error(response, status, code):
    error = expect(Error, response, status)
    assert error.code == code, response
    return error


# ---- an account: sign-up, sign-in, approval ----------------------------------------------------------------

anonymous = Client(base_url=URL)
new_user = NewUser(username="ada", email="ada@example.com", password="correct horse")


def try_sign_up(**headers):
    return sign_up.sync_detailed(client=anonymous, body=new_user, **headers)


ada = expect(User, try_sign_up(idempotency_key="python"), 201)
assert not ada.is_approved and ada.role == Role.EMPLOYEE
assert try_sign_up(idempotency_key="python").headers["Idempotency-Replayed"] == "true"
expect_error(try_sign_up(), 409, ErrorCode.ACCOUNT_EXISTS)


def try_log_in(email, password):
    return log_in.sync_detailed(client=anonymous, body=Credentials(email=email, password=password))


expect_error(try_log_in("ada@example.com", "wrong"), 401, ErrorCode.WRONG_EMAIL_OR_PASSWORD)
signed_in = expect(SignInResponse, try_log_in("ada@example.com", "correct horse"), 200)
client = client_of(signed_in.token)
expect_error(list_tasks.sync_detailed(client=client), 403, ErrorCode.AWAITING_APPROVAL)

admin = client_of(expect(SignInResponse, try_log_in("grace@example.com", ADMIN_PASSWORD), 200).token)
approval = UserPatch(role=Role.MANAGER, is_approved=True)
approved = expect(User, update_user.sync_detailed(ada.id, client=admin, body=approval), 200)
assert approved.role == Role.MANAGER and approved.is_approved

# ---- tasks: create, list, change, delete -------------------------------------------------------------------

deadline = datetime(2030, 1, 1, tzinfo=timezone.utc)
for title in ["one", "two", "three", "four", "five"]:
    created = expect(Task, create_task.sync_detailed(client=client, body=NewTask(title=title, deadline=deadline)), 201)
    assert created.status == Status.PENDING and created.description is None and created.deadline == deadline

titles, cursor = [], UNSET
while cursor is not None:
    query = {"limit": 2, "sort": ListTasksSort.CREATED_AT, "cursor": cursor}
    page = expect(TaskPage, list_tasks.sync_detailed(client=client, **query), 200)
    titles += [task.title for task in page.items]
    cursor = page.next_cursor
assert titles == ["one", "two", "three", "four", "five"], titles

shown = show_task.sync_detailed(1, client=client)
version = shown.headers["ETag"]


def try_update(**changes):
    headers = {"if_match": changes.pop("if_match", UNSET)}
    return update_task.sync_detailed(1, client=client, body=TaskPatch(**changes), **headers)


updated = expect(Task, try_update(status=Status.IN_PROGRESS, if_match=version), 200)
assert updated.status == Status.IN_PROGRESS
expect_error(try_update(deadline=None, if_match=version), 412, ErrorCode.PRECONDITION_FAILED)
assert expect(Task, try_update(deadline=None), 200).deadline is None

invalid = expect_error(try_update(assigned_user_id=99), 422, ErrorCode.INVALID)
assert invalid.errors["assigned_user_id"] == "is not the id of an account"
assert delete_task.sync_detailed(1, client=client).status_code == 204
expect_error(show_task.sync_detailed(1, client=client), 404, ErrorCode.NOT_FOUND)

# ---- tokens ------------------------------------------------------------------------------------------------

refreshed = expect(TokenResponse, refresh.sync_detailed(client=client_of(signed_in.refresh_token)), 200)
assert expect(User, show_me.sync_detailed(client=client_of(refreshed.token)), 200).username == "ada"
expect_error(show_me.sync_detailed(client=client_of("no token")), 401, ErrorCode.INVALID_TOKEN)
