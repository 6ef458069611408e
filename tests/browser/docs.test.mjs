// The API documentation at /docs: Swagger UI shows every operation, and users can send requests from it.

import assert from 'node:assert/strict';
import { createServer, request as sendRequest } from 'node:http';
import { browserTest, checkAccessibility } from './harness.mjs';
import { authorize, execute, expandOperation, openAuthorizationDialog, openDocs, operation } from './steps.mjs';

// Violations in Swagger UI's markup that a style sheet cannot fix: a link inside the button that opens an
// operation, headings that skip a level, and a table without a name that has the role of a landmark.
const SWAGGER_UI_EXCEPTIONS = { '#swagger-ui': ['nested-interactive', 'heading-order', 'landmark-unique'] };

async function signIn(page, { email, password }) {
  await page.getByLabel('E-mail').fill(email);
  await page.getByRole('textbox', { name: 'Password' }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

browserTest('the page shows every operation of the OpenAPI document', {}, async (env) => {
  const { paths } = await env.server.request(200, 'GET', '/openapi.json');
  const methods = ['get', 'post', 'put', 'patch', 'delete'];
  const described = Object.entries(paths).flatMap(([path, item]) =>
    methods.filter((method) => item[method]).map((method) => `${method.toUpperCase()} ${path}`));

  const page = await openDocs(env);

  const shown = await page.locator('.opblock').evaluateAll((operations) => operations.map((operation) =>
    `${operation.querySelector('.opblock-summary-method').textContent} `
    + operation.querySelector('.opblock-summary-path').dataset.path));
  assert.deepEqual(shown.toSorted(), described.toSorted());
  for (const expected of ['POST /signup', 'POST /login', 'GET /hello']) assert.ok(shown.includes(expected), expected);
});

browserTest('the introduction links to operations, the board and the description', {}, async (env) => {
  const page = await openDocs(env);

  await page.getByRole('link', { name: 'POST /login' }).click();

  await operation(page, 'post', '/login').getByRole('button', { name: 'Execute' }).waitFor();
  for (const [name, path] of [['Task board', '/'], ['OpenAPI description', '/openapi.json']]) {
    const link = page.locator('.introduction').getByRole('link', { name });
    assert.equal(await link.evaluate((element) => element.href), env.server.origin + path);
  }
});

browserTest('a user signs in with the form, sends requests, and signs out', {}, async (env) => {
  const ada = await env.server.createUser('ada', 'manager');
  const page = await openDocs(env);

  await signIn(page, ada);
  const account = page.getByText('You are signed in as ada, with the role manager. The account is approved.');
  await account.waitFor();
  assert.ok(await account.evaluate((element) => element === document.activeElement));
  assert.equal((await execute(await expandOperation(page, 'get', '/tasks'))).status, '200');
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);

  await page.getByRole('button', { name: 'Sign out' }).press('Enter');
  await page.waitForFunction(() => document.activeElement.name === 'email');
  env.expectProblem(/status of 401 .*\/hello/);
  assert.equal((await execute(await expandOperation(page, 'get', '/hello'))).status, '401');
  await env.server.waitForLog(/path=\/logout status=204/);
});

browserTest('the form says in words what is wrong', {}, async (env) => {
  const ada = await env.server.signUp('ada');
  const page = await openDocs(env);
  const message = page.getByRole('alert');

  env.expectProblem(/status of 401 .*\/login/);
  await signIn(page, { ...ada, password: 'wrong' });
  await message.getByText('The e-mail or password is wrong.').waitFor();
  assert.ok(await page.getByRole('textbox', { name: 'Password' }).evaluate((element) => element === document.activeElement));

  await page.route('**/login', (route) => route.abort());
  env.expectProblem(/login.*ERR_FAILED|ERR_FAILED.*login/);
  await signIn(page, ada);
  await message.getByText('The server cannot be reached.').waitFor();
  await page.unroute('**/login');

  env.expectProblem(/status of 429 .*\/login/);
  for (let attempt = 0; attempt < 20 && !/Too many/.test(await message.innerText()); attempt += 1) {
    const response = page.waitForResponse(/\/login$/);
    await signIn(page, { ...ada, password: 'wrong' });
    await (await response).finished();
    await message.getByText(/^(The e-mail|Too many)/).waitFor();
  }
  assert.match(await message.innerText(), /^Too many attempts\. Try again in (\d+ seconds|1 second)\.$/);
});

browserTest('an account that waits for approval sees when it is approved', {}, async (env) => {
  const ada = await env.server.signUp('ada');
  const page = await openDocs(env);
  await signIn(page, ada);
  await page.getByText('The account waits for an admin\'s approval and cannot see tasks yet.').waitFor();

  await env.server.updateUser(ada, { is_approved: true });
  await execute(await expandOperation(page, 'get', '/me'));

  await page.getByText('You are signed in as ada, with the role employee. The account is approved.').waitFor();
});

browserTest('an expired token is renewed, also by the user, until the session ends', { JWT_ACCESS_TOKEN_EXPIRES: '5s' }, async (env) => {
  const ada = await env.server.signUp('ada');
  const page = await openDocs(env);
  await signIn(page, ada);
  const account = page.getByText('You are signed in as ada');
  await account.waitFor();
  const hello = await expandOperation(page, 'get', '/hello');
  /** Waits until the access token of the page has expired. */
  const expire = async () => {
    const token = await page.evaluate(async () => (await import('./docs/session.js')).current().token);
    const isValid = async () =>
      (await fetch(`${env.server.origin}/hello`, { headers: { Authorization: `Bearer ${token}` } })).ok;
    while (await isValid()) await new Promise((resolve) => { setTimeout(resolve, 100); });
  };

  await expire();
  env.expectProblem(/status of 401 .*\/hello/);
  assert.equal((await execute(hello)).status, '200');
  assert.equal((await execute(await expandOperation(page, 'post', '/refresh'))).status, '200');
  await expire();
  assert.equal((await execute(hello)).status, '200');
  await account.waitFor();

  const token = await env.server.signIn(ada);
  await env.server.request(204, 'POST', '/me/sessions/revoke-all', { token });
  env.expectProblem(/status of 401 .*\/refresh/);
  await hello.getByRole('button', { name: 'Execute' }).click();
  await page.getByRole('alert').getByText('The session has ended. Sign in again.').waitFor();
});

// What needs a password, a one-time token or the id of a session, and what ends the session, is left out.
for (const [subject, expected] of Object.entries({
  'the own account': {
    'POST /signup': 201, 'POST /login': 200, 'GET /hello': 200, 'GET /me': 200, 'GET /me/sessions': 200, 'GET /me/tokens': 200,
  },
  accounts: {
    'POST /signup': 201, 'GET /users': 200, 'GET /users/{id}': 200, 'PATCH /users/{id}': 200,
    'POST /users/{id}/password-reset': 201, 'GET /invitations': 200, 'POST /invitations': 201, 'GET /audit': 200,
    'DELETE /users/{id}': 204, 'DELETE /invitations/{id}': 204,
  },
  'tasks and operation': {
    'GET /tasks': 200, 'POST /tasks': 201, 'GET /tasks/{id}': 200, 'PATCH /tasks/{id}': 200, 'DELETE /tasks/{id}': 204,
    'GET /healthz': 200, 'GET /readyz': 200,
  },
})) {
  browserTest(`the examples work from top to bottom for an admin of a new server: ${subject}`, {}, async (env) => {
    const page = await openDocs(env);
    await signIn(page, env.server.admin);
    await page.getByText('You are signed in as grace').waitFor();
    const shown = await page.locator('.opblock').evaluateAll((operations) => operations.map((operation) => [
      operation.querySelector('.opblock-summary-method').textContent,
      operation.querySelector('.opblock-summary-path').dataset.path,
    ]));

    const found = {};
    for (const [method, path] of shown) {
      const line = `${method} ${path}`;
      if (!(line in expected)) continue;
      const opened = await expandOperation(page, method.toLowerCase(), path);
      found[line] = Number((await execute(opened)).status);
      // Swagger UI becomes slower with each operation that is open.
      await opened.locator('.opblock-summary-control').click();
    }

    assert.deepEqual(found, expected);
  });
}

browserTest('POST /login signs the page in unless it is signed in, and POST /logout signs out', {}, async (env) => {
  const page = await openDocs(env);
  await execute(await expandOperation(page, 'post', '/signup'));

  await execute(await expandOperation(page, 'post', '/login'));

  await page.getByText('You are signed in as ada, with the role employee.').waitFor();
  assert.equal((await execute(await expandOperation(page, 'get', '/hello'))).status, '200');
  await execute(await expandOperation(page, 'post', '/logout'));
  await page.getByRole('alert').getByText('You are signed out.').waitFor();
});

browserTest('a user sends a request with a pasted token, and the token is lost when the page is reloaded', {}, async (env) => {
  const ada = await env.server.signUp('ada');
  const token = await env.server.signIn(ada);
  const page = await openDocs(env);

  await authorize(page, token);
  const { status, body } = await execute(await expandOperation(page, 'get', '/hello'));

  assert.equal(status, '200');
  assert.match(body, /"user_name": "ada"/);
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
  await page.goto(`${env.server.origin}/docs`);
  env.expectProblem(/status of 401 .*\/hello/);
  const after = await execute(await expandOperation(page, 'get', '/hello'));
  assert.equal(after.status, '401');
});

browserTest('a token is understood however it was copied', {}, async (env) => {
  const token = await env.server.signIn(await env.server.signUp('ada'));
  const page = await openDocs(env);

  await authorize(page, ` bearer "Bearer ${token}"\t`);
  const hello = await expandOperation(page, 'get', '/hello');

  assert.equal((await execute(hello)).status, '200');
  assert.ok((await hello.locator('.curl').innerText()).includes(`Authorization: Bearer ${token}'`));
  const copies = [token, `Bearer ${token}`, `"${token}"`, `bearer bearer ${token}`, ` ${token}\t`, `'Bearer ${token}',`,
    `Authorization: Bearer ${token}`, `“${token}”`, `„${token}“`, `«${token}»`, `\u200b${token}\ufeff`, `${token.slice(0, 40)}\n  ${token.slice(40)}\n`];
  const understood = await page.evaluate(async (copies) => {
    const { normalizedAuthorization } = await import('./docs/session.js');
    return copies.map((copy) => normalizedAuthorization(`Bearer ${copy}`));
  }, copies);
  assert.deepEqual(understood, copies.map(() => `Bearer ${token}`));
});

browserTest('behind a proxy at a sub-path the page finds its files, the description and the sign-in', {}, async (env) => {
  const ada = await env.server.signUp('ada');
  const proxy = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    if (!url.startsWith('/todo/')) return outgoing.writeHead(404).end();
    const options = { method, headers, agent: false };
    const forwarded = sendRequest(env.server.origin + url.slice('/todo'.length), options, (response) => {
      outgoing.writeHead(response.statusCode, response.headers);
      response.pipe(outgoing);
    });
    // The request that signs out may outlive the page and the server.
    forwarded.on('error', () => outgoing.destroy());
    return incoming.pipe(forwarded);
  });
  await new Promise((resolve) => { proxy.listen(0, '127.0.0.1', resolve); });
  env.onCleanUp(() => proxy.close().closeAllConnections());
  const origin = `http://127.0.0.1:${proxy.address().port}`;
  env.allowOrigin(origin);

  const page = await env.openPage(`${origin}/todo/docs`);
  await operation(page, 'get', '/hello').waitFor();
  await signIn(page, ada);

  await page.getByText('You are signed in as ada').waitFor();
  assert.equal(await page.locator('#board-link').evaluate((link) => link.href), `${origin}/todo/`);
  assert.deepEqual(env.requests.filter((line) => line.includes(origin) && !line.includes('/todo/')), []);
});

for (const [name, options, exceptions] of [
  ['light', { colorScheme: 'light' }, SWAGGER_UI_EXCEPTIONS],
  ['dark', { colorScheme: 'dark' }, SWAGGER_UI_EXCEPTIONS],
  // The browser replaces the colours of the examples, and axe-core measures those of the style sheet.
  ['forced colours', { forcedColors: 'active' }, { '#swagger-ui': [...SWAGGER_UI_EXCEPTIONS['#swagger-ui'], 'color-contrast'] }],
]) {
  browserTest(`axe-core finds no accessibility violations in the page, ${name}`, {}, async (env) => {
    const ada = await env.server.signUp('ada');
    const page = await openDocs(env, options);
    await checkAccessibility(page, exceptions);
    if (name === 'light') await env.screenshot(page, 'api-docs');

    const dialog = await openAuthorizationDialog(page);
    await checkAccessibility(page, exceptions);
    await dialog.locator('.btn-done').first().click();

    env.expectProblem(/status of 401 .*\/login/);
    await signIn(page, { ...ada, password: 'wrong' });
    await page.getByRole('alert').getByText('The e-mail or password is wrong.').waitFor();
    await checkAccessibility(page, exceptions);

    await expandOperation(page, 'post', '/login');
    env.expectProblem(/status of 401 .*\/hello/);
    await execute(await expandOperation(page, 'get', '/hello'));
    await checkAccessibility(page, exceptions);

    await signIn(page, ada);
    await page.getByText('You are signed in as ada').waitFor();
    await checkAccessibility(page, exceptions);
  });
}

browserTest('on a phone the page is not wider than the screen', {}, async (env) => {
  const ada = await env.server.signUp('ada');
  const page = await openDocs(env, { viewport: { width: 390, height: 844 } });
  const width = () => page.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(await width(), 390);
  await expandOperation(page, 'post', '/login');

  await signIn(page, ada);
  await page.getByText('You are signed in as ada').waitFor();

  assert.equal(await width(), 390);
});
