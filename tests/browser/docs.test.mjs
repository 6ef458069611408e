// The API documentation at /docs: Swagger UI shows every operation, and users can send requests from it.

import assert from 'node:assert/strict';
import { browserTest, checkAccessibility } from './harness.mjs';

// Violations in Swagger UI's markup that a style sheet cannot fix: a link inside the button that opens an
// operation, headings that skip a level, and a table without a name that has the role of a landmark.
const SWAGGER_UI_EXCEPTIONS = { '#swagger-ui': ['nested-interactive', 'heading-order', 'landmark-unique'] };

async function openDocs(env, options) {
  const page = await env.openPage('/docs', options);
  await operation(page, 'get', '/hello').waitFor();
  return page;
}

function operation(page, method, path) {
  return page.locator(`.opblock-${method}:has(.opblock-summary-path[data-path="${path}"])`);
}

/** Expands an operation, and returns it. */
async function expandOperation(page, method, path) {
  const element = operation(page, method, path);
  await element.locator('.opblock-summary-control').click();
  await element.getByRole('button', { name: 'Execute' }).waitFor();
  return element;
}

async function openAuthorizationDialog(page) {
  await page.getByRole('button', { name: 'Authorize' }).click();
  return page.locator('.dialog-ux');
}

async function authorize(page, token) {
  const dialog = await openAuthorizationDialog(page);
  const scheme = dialog.locator('form').filter({ hasText: /^\s*accessToken/ });
  await scheme.locator('input').fill(token);
  await scheme.getByRole('button', { name: 'Authorize' }).click();
  await dialog.locator('.btn-done').first().click();
  await dialog.waitFor({ state: 'detached' });
}

/** Sends an operation's request, and returns the status and the body that Swagger UI shows. */
async function execute(operation) {
  await operation.getByRole('button', { name: 'Execute' }).click();
  const response = operation.locator('.live-responses-table');
  const status = await response.locator('tbody .response-col_status').first().innerText();
  return { status: status.trim(), body: await response.locator('.highlight-code pre').first().innerText() };
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

browserTest('a user sends a request with a token, and the token is lost when the page is reloaded', {}, async (env) => {
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

browserTest('a user signs in on the page, and the token of the response authorizes the next request', {}, async (env) => {
  const { email, password } = await env.server.signUp('ada');
  const page = await openDocs(env);

  const login = await expandOperation(page, 'post', '/login');
  await login.getByLabel('Request body').fill(JSON.stringify({ email, password }));
  const { status, body } = await execute(login);

  assert.equal(status, '200');
  await authorize(page, JSON.parse(body).token);
  assert.equal((await execute(await expandOperation(page, 'get', '/hello'))).status, '200');
});

for (const colorScheme of ['light', 'dark']) {
  browserTest(`axe-core finds no accessibility violations in the page, ${colorScheme}`, {}, async (env) => {
    const page = await openDocs(env, { colorScheme });
    await checkAccessibility(page, SWAGGER_UI_EXCEPTIONS);
    if (colorScheme === 'light') await env.screenshot(page, 'api-docs');

    const dialog = await openAuthorizationDialog(page);
    await checkAccessibility(page, SWAGGER_UI_EXCEPTIONS);
    await dialog.locator('.btn-done').first().click();

    await expandOperation(page, 'post', '/login');
    env.expectProblem(/status of 401 .*\/hello/);
    await execute(await expandOperation(page, 'get', '/hello'));
    await checkAccessibility(page, SWAGGER_UI_EXCEPTIONS);
  });
}

browserTest('on a phone the page is not wider than the screen', {}, async (env) => {
  const page = await openDocs(env, { viewport: { width: 390, height: 844 } });
  await expandOperation(page, 'post', '/login');

  const width = await page.evaluate(() => document.documentElement.scrollWidth);

  assert.equal(width, 390);
});
