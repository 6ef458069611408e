"""Goes through the API with the client that OpenAPI Generator (`-g python`) has generated into the package
`generator_client`. The arguments are the server's URL and the password of the admin `grace`."""

import sys
from datetime import datetime, timezone

from generator_client import ApiClient, Configuration
from generator_client.api import MeApi, SignInApi, TasksApi, UsersApi
from generator_client.exceptions import ApiException
from generator_client.models import Credentials, Error, ErrorCode, NewTask, NewUser, Role, Status, TaskPatch, UserPatch

URL, ADMIN_PASSWORD = sys.argv[1:]


def client_of(token=None):
    return ApiClient(Configuration(host=URL, access_token=token))


def expect_error(status, code, call, *arguments, **parameters):
    """Asserts that a call raises this error, and returns its parsed body."""
    try:
        call(*arguments, **parameters)
    except ApiException as exception:
        assert exception.status == status and isinstance(exception.data, Error), exception
        assert exception.data.code == code, exception
        return exception.data
    raise AssertionError(f"{call} succeeds")


# ---- an account: sign-up, sign-in, approval ----------------------------------------------------------------

anonymous = SignInApi(client_of())
new_user = NewUser(username="ada", email="ada@example.com", password="correct horse")
ada = anonymous.sign_up(new_user, idempotency_key="generator")
assert not ada.is_approved
again = anonymous.sign_up_with_http_info(new_user, idempotency_key="generator")
assert again.headers["Idempotency-Replayed"] == "true"
expect_error(409, ErrorCode.ACCOUNT_EXISTS, anonymous.sign_up, new_user)

wrong = Credentials(email="ada@example.com", password="wrong")
expect_error(401, ErrorCode.WRONG_EMAIL_OR_PASSWORD, anonymous.log_in, wrong)
signed_in = anonymous.log_in(Credentials(email="ada@example.com", password="correct horse"))
client = client_of(signed_in.token)
tasks = TasksApi(client)
expect_error(403, ErrorCode.AWAITING_APPROVAL, tasks.list_tasks)

admin = client_of(anonymous.log_in(Credentials(email="grace@example.com", password=ADMIN_PASSWORD)).token)
approved = UsersApi(admin).update_user(ada.id, UserPatch(role=Role.MANAGER, is_approved=True))
assert approved.is_approved

# ---- tasks: create, list, change, delete -------------------------------------------------------------------

deadline = datetime(2030, 1, 1, tzinfo=timezone.utc)
for title in ["one", "two", "three", "four", "five"]:
    created = tasks.create_task(NewTask(title=title, deadline=deadline))
    assert created.deadline == deadline and created.description is None

titles, cursor = [], ""
while cursor is not None:
    page = tasks.list_tasks(limit=2, sort="created_at", cursor=cursor)
    titles += [task.title for task in page.items]
    cursor = page.next_cursor
assert titles == ["one", "two", "three", "four", "five"], titles

version = tasks.show_task_with_http_info(1).headers["ETag"]
updated = tasks.update_task(1, TaskPatch(status=Status.IN_PROGRESS), if_match=version)
assert updated.status.actual_instance == Status.IN_PROGRESS, updated
outdated = TaskPatch(status=Status.COMPLETED)
expect_error(412, ErrorCode.PRECONDITION_FAILED, tasks.update_task, 1, outdated, if_match=version)
assert tasks.update_task(1, TaskPatch(deadline=None)).deadline is None

invalid = expect_error(422, ErrorCode.INVALID, tasks.update_task, 1, TaskPatch(assigned_user_id=99))
assert invalid.errors["assigned_user_id"] == "is not the id of an account"
tasks.delete_task(1)
expect_error(404, ErrorCode.NOT_FOUND, tasks.show_task, 1)

# The generated models check patterns before they send. They must not refuse what the server accepts.
assert tasks.create_task(NewTask(title="\u3000cafe\u0301 \U0001f600\n")).title == "caf\u00e9 \U0001f600"

# ---- tokens ------------------------------------------------------------------------------------------------

refreshed = SignInApi(client_of(signed_in.refresh_token)).refresh()
assert MeApi(client_of(refreshed.token)).show_me().username == "ada"
expect_error(401, ErrorCode.INVALID_TOKEN, MeApi(client_of("no token")).show_me)
