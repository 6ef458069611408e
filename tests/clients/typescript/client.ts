// Goes through the API with openapi-fetch and the types that openapi-typescript has generated into task-api.d.ts. Every
// name, parameter, body and response is checked by the compiler; the arguments are the server's URL and the password of
// the admin `grace`.

import assert from 'node:assert/strict';
import createClient from 'openapi-fetch';
import type { components, paths } from './task-api.js';

type Task = components['schemas']['Task'];
type ErrorCode = components['schemas']['ErrorCode'];

const [baseUrl, password] = process.argv.slice(2) as [string, string];

/** A client that sends this token. */
function clientOf(token?: string) {
  return createClient<paths>({ baseUrl, headers: token ? { Authorization: `Bearer ${token}` } : {} });
}

/** The value of a response that is not an error. */
function value<T>({ data, error }: { data?: T; error?: unknown }): T {
  assert.ok(data !== undefined, JSON.stringify(error));
  return data;
}

/** Asserts status and code of an error. The compiler knows each code. */
function assertError(
  { error, response }: { error?: components['schemas']['Error']; response: Response },
  status: number,
  code: ErrorCode,
) {
  assert.equal(response.status, status);
  assert.equal(error?.code, code);
  return error;
}

// ---- an account: sign-up, sign-in, approval ----------------------------------------------------------------

const anonymous = clientOf();
const account = { username: 'ada', email: 'ada@example.com', password: 'correct horse' };
const signUp = () => anonymous.POST('/signup', {
  body: account,
  params: { header: { 'Idempotency-Key': 'typescript' } },
});
const ada = value(await signUp());
assert.equal(ada.is_approved, false);
assert.equal((await signUp()).response.headers.get('Idempotency-Replayed'), 'true');
assertError(await anonymous.POST('/signup', { body: account }), 409, 'account_exists');

const credentials = { email: account.email, password: account.password };
const wrong = await anonymous.POST('/login', { body: { ...credentials, password: 'wrong' } });
assertError(wrong, 401, 'wrong_email_or_password');
const signedIn = value(await anonymous.POST('/login', { body: credentials }));
const client = clientOf(signedIn.token);
assertError(await client.GET('/tasks'), 403, 'awaiting_approval');

const admin = clientOf(value(await anonymous.POST('/login', { body: { email: 'grace@example.com', password } })).token);
const approved = value(await admin.PATCH('/users/{id}', {
  params: { path: { id: ada.id } },
  body: { role: 'manager', is_approved: true },
}));
assert.equal(approved.role, 'manager');

// ---- tasks: create, list, change, delete -------------------------------------------------------------------

for (const title of ['one', 'two', 'three', 'four', 'five']) {
  const created: Task = value(await client.POST('/tasks', { body: { title, deadline: '2030-01-01T00:00:00Z' } }));
  assert.equal(created.status, 'pending');
  assert.equal(created.description, null);
}

const titles: string[] = [];
let cursor: string | null | undefined;
do {
  const query = { limit: 2, sort: 'created_at' as const, ...(cursor ? { cursor } : {}) };
  const page = value(await client.GET('/tasks', { params: { query } }));
  titles.push(...page.items.map((task) => task.title));
  cursor = page.next_cursor;
} while (cursor !== null);
assert.deepEqual(titles, ['one', 'two', 'three', 'four', 'five']);

const path = { id: 1 };
const shown = await client.GET('/tasks/{id}', { params: { path } });
const version = shown.response.headers.get('ETag');
assert.ok(version);
const update = (status: components['schemas']['Status']) => client.PATCH('/tasks/{id}', {
  params: { path, header: { 'If-Match': version } },
  body: { status },
});
assert.equal(value(await update('in_progress')).status, 'in_progress');
assertError(await update('completed'), 412, 'precondition_failed');

const invalid = await client.PATCH('/tasks/{id}', { params: { path }, body: { assigned_user_id: 99 } });
assert.equal(assertError(invalid, 422, 'invalid')?.errors?.['assigned_user_id'], 'is not the id of an account');
assert.equal((await client.DELETE('/tasks/{id}', { params: { path } })).response.status, 204);
assertError(await client.GET('/tasks/{id}', { params: { path } }), 404, 'not_found');

// ---- tokens ------------------------------------------------------------------------------------------------

const refreshed = value(await clientOf(signedIn.refresh_token).POST('/refresh'));
// 204 has no body, and is only for pages of the server.
assert.ok(refreshed);
assert.equal(value(await clientOf(refreshed.token).GET('/me')).username, 'ada');
assertError(await clientOf('no token').GET('/me'), 401, 'invalid_token');
