// CORS in a real browser: which pages of other origins can use the API. And clickjacking: no page of another
// origin can show ours in a frame.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { browserTest, checkAccessibility, PASSWORD, PROJECT } from './harness.mjs';

const readExample = () => readFile(join(PROJECT, 'examples/spa/index.html'));

async function signIn(env, page, { email }, password = PASSWORD) {
  await page.getByLabel('Address of the API').fill(env.server.origin);
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Opens the example page at an origin, signs in, checks that the API's data is shown, and signs out. */
async function useExample(env, origin) {
  const ada = await env.server.createUser('ada');
  await env.server.createTask({ title: 'Read <b>the</b> log', assigned_user_id: ada.id });
  await env.server.createTask({ title: 'Water the plants', status: 'in_progress', assigned_user_id: ada.id });
  const page = await env.openPage(origin);
  await checkAccessibility(page);

  await signIn(env, page, ada);

  await page.getByText('hello world! from rouille (signed in as ada)').waitFor();
  await page.getByRole('listitem').nth(1).waitFor();
  assert.deepEqual(await page.getByRole('listitem').allInnerTexts(), [
    'Water the plants\nin progress',
    'Read <b>the</b> log\npending',
  ]);
  assert.equal(await page.getByLabel('Password').isVisible(), false);
  await checkAccessibility(page);
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Password').waitFor();
  assert.equal(await page.getByText('hello').isVisible(), false);
  // Playwright does not see Chrome's preflight requests, but the server logs them.
  for (const path of ['/login', '/hello', '/tasks', '/logout']) {
    await env.server.waitForLog(new RegExp(`method=OPTIONS path=${path} status=204`));
  }
}

browserTest('by default a page of any origin can use the API', {}, async (env) => {
  await useExample(env, await env.servePage(await readExample()));
});

browserTest('a page of an origin in CORS_ORIGINS can use the API', null, async (env) => {
  const origin = await env.servePage(await readExample());
  await env.start({ CORS_ORIGINS: `https://app.example,${origin}` });
  await useExample(env, origin);
});

browserTest('a page of an origin that is not in CORS_ORIGINS cannot sign in', { CORS_ORIGINS: 'https://app.example' }, async (env) => {
  const ada = await env.server.createUser('ada');
  const origin = await env.servePage(await readExample());
  const page = await env.openPage(origin);
  env.expectProblem(/console error: Access to fetch at .*\/login' .* has been blocked by CORS policy/);
  env.expectProblem(/console error: Failed to load resource: net::ERR_FAILED .*\/login/);
  env.expectProblem(/request failed: POST .*\/login: net::ERR_FAILED/);

  await signIn(env, page, ada);

  const alert = page.getByRole('alert').filter({ hasText: `CORS_ORIGINS has to name ${origin}` });
  await alert.waitFor();
  await checkAccessibility(page);
  assert.equal(await page.getByText('hello').isVisible(), false);
  assert.equal(await page.getByRole('listitem').count(), 0);
  // The browser has sent the preflight request only.
  await env.finish();
  assert.match(env.server.log, /method=OPTIONS path=\/login /);
  assert.doesNotMatch(env.server.log, /method=POST path=\/login .* user=ada /);
});

browserTest('a page of another origin can read error responses of the API', {}, async (env) => {
  const ada = await env.server.signUp('ada');
  const page = await env.openPage(await env.servePage(await readExample()), { colorScheme: 'dark' });

  env.expectProblem(/status of 401 .*\/login/);
  await signIn(env, page, ada, 'not the password');
  await page.getByRole('alert').filter({ hasText: 'email or password incorrect.' }).waitFor();

  env.expectProblem(/status of 403 .*\/tasks/);
  await signIn(env, page, ada);
  await page.getByText('signed in as ada').waitFor();
  await page.getByRole('alert').filter({ hasText: 'This account is waiting for approval' }).waitFor();
  await checkAccessibility(page);
});

// What HTTP clients and tracing libraries add to each request.
const USUAL_HEADERS = {
  baggage: 'sentry-environment=test',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  tracestate: 'a=1',
  'sentry-trace': '4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1',
  'X-Requested-With': 'XMLHttpRequest',
  'Cache-Control': 'no-cache',
  Pragma: 'no-cache',
};

/** Sends a request from a page of another origin, and returns what its script can read. */
async function fetchFrom(page, env, method, path, headers) {
  const url = env.server.origin + path;
  return page.evaluate(
    async ({ url, method, headers }) => {
      const response = await fetch(url, { method, headers });
      return { status: response.status, code: (await response.json()).code };
    },
    { url, method, headers },
  );
}

browserTest('a page of another origin can send the headers of tracing libraries', {}, async (env) => {
  const token = await env.server.signIn(await env.server.signUp('ada'));
  const page = await env.openPage(await env.servePage('<p>A page</p>'));
  const headers = { ...USUAL_HEADERS, Authorization: `Bearer ${token}` };
  assert.equal((await fetchFrom(page, env, 'GET', '/hello', headers)).status, 200);
});

browserTest('a page of another origin can read 404 and 405', {}, async (env) => {
  const page = await env.openPage(await env.servePage('<p>A page</p>'));
  for (const [method, path, status, code] of [
    ['GET', '/nowhere', 404, 'not_found'],
    ['PUT', '/nowhere', 404, 'not_found'],
    ['PUT', '/tasks', 405, 'method_not_allowed'],
    ['DELETE', '/login', 405, 'method_not_allowed'],
  ]) {
    env.expectProblem(new RegExp(`status of ${status} .*${path}`));
    // With this header, a GET has a preflight too.
    const found = await fetchFrom(page, env, method, path, { 'X-Requested-With': 'XMLHttpRequest' });
    assert.deepEqual(found, { status, code }, `${method} ${path}`);
  }
});

browserTest('a page of another origin can send a header of CORS_ALLOW_HEADERS', { CORS_ALLOW_HEADERS: 'X-Tenant' }, async (env) => {
  const page = await env.openPage(await env.servePage('<p>A page</p>'));
  assert.equal((await fetchFrom(page, env, 'GET', '/healthz', { 'X-Tenant': 'a' })).status, 200);

  env.expectProblem(/console error: Access to fetch at .*\/healthz' .* has been blocked by CORS policy/);
  env.expectProblem(/console error: Failed to load resource: net::ERR_FAILED .*\/healthz/);
  env.expectProblem(/request failed: GET .*\/healthz: net::ERR_FAILED/);
  await assert.rejects(fetchFrom(page, env, 'GET', '/healthz', { 'X-Other': 'a' }), /Failed to fetch/);
});

for (const path of ['/', '/docs']) {
  browserTest(`a page of another origin cannot show ${path} in a frame`, {}, async (env) => {
    const origin = await env.servePage(`<iframe src="${env.server.origin}${path}"></iframe>`);
    env.expectProblem(/frame-ancestors 'none'/);
    env.expectProblem(/request failed: GET .*: net::ERR_BLOCKED_BY_RESPONSE/);

    const page = await env.openPage(origin);

    const frame = page.frames()[1];
    assert.equal(frame.url(), 'chrome-error://chromewebdata/');
  });
}
