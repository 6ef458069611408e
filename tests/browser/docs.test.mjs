// The page at /docs: Swagger UI shows the API's description, and sends requests.

import assert from 'node:assert/strict';
import { browserTest, checkAccessibility } from './harness.mjs';

// How Swagger UI is built, which no style sheet can change: a link inside of the button that opens an
// operation, headings that skip a level, and a table without a name that calls itself a landmark.
const SWAGGER_UI = { '#swagger-ui': ['nested-interactive', 'heading-order', 'landmark-unique'] };

async function openDocs(world, options) {
  const page = await world.open('/docs', options);
  await operation(page, 'get', '/hello').waitFor();
  return page;
}

function operation(page, method, path) {
  return page.locator(`.opblock-${method}:has(.opblock-summary-path[data-path="${path}"])`);
}

/** Opens an operation, and gives it. */
async function unfold(page, method, path) {
  const found = operation(page, method, path);
  await found.locator('.opblock-summary-control').click();
  await found.getByRole('button', { name: 'Execute' }).waitFor();
  return found;
}

async function openAuthorization(page) {
  await page.getByRole('button', { name: 'Authorize' }).click();
  return page.locator('.dialog-ux');
}

async function authorize(page, token) {
  const dialog = await openAuthorization(page);
  const scheme = dialog.locator('form').filter({ hasText: 'accessToken' });
  await scheme.locator('input').fill(token);
  await scheme.getByRole('button', { name: 'Authorize' }).click();
  await dialog.locator('.btn-done').first().click();
  await dialog.waitFor({ state: 'detached' });
}

/** Sends an operation's request, and gives what is shown of the answer. */
async function execute(operation) {
  await operation.getByRole('button', { name: 'Execute' }).click();
  const answer = operation.locator('.live-responses-table');
  const status = await answer.locator('tbody .response-col_status').first().innerText();
  return { status: status.trim(), body: await answer.locator('.highlight-code pre').first().innerText() };
}

browserTest('every operation of the description is shown', {}, async (world) => {
  const { paths } = await world.server.call(200, 'GET', '/openapi.json');
  const methods = ['get', 'post', 'put', 'patch', 'delete'];
  const described = Object.entries(paths).flatMap(([path, item]) =>
    methods.filter((method) => item[method]).map((method) => `${method.toUpperCase()} ${path}`));

  const page = await openDocs(world);

  const shown = await page.locator('.opblock').evaluateAll((operations) => operations.map((operation) =>
    `${operation.querySelector('.opblock-summary-method').textContent} `
    + operation.querySelector('.opblock-summary-path').dataset.path));
  assert.deepEqual(shown.toSorted(), described.toSorted());
  for (const wanted of ['POST /signup', 'POST /login', 'GET /hello']) assert.ok(shown.includes(wanted), wanted);
});

browserTest('a request is tried with a token', {}, async (world) => {
  const ada = await world.server.signUp('ada');
  const token = await world.server.signIn(ada);
  const page = await openDocs(world);

  await authorize(page, token);
  const { status, body } = await execute(await unfold(page, 'get', '/hello'));

  assert.equal(status, '200');
  assert.match(body, /"user_name": "ada"/);
  // It is forgotten with the page.
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
  await page.goto(`${world.server.origin}/docs`);
  world.announce(/status of 401 .*\/hello/);
  const after = await execute(await unfold(page, 'get', '/hello'));
  assert.equal(after.status, '401');
});

browserTest('a token is got on the page itself', {}, async (world) => {
  const { email, password } = await world.server.signUp('ada');
  const page = await openDocs(world);

  const login = await unfold(page, 'post', '/login');
  await login.getByLabel('Request body').fill(JSON.stringify({ email, password }));
  const { status, body } = await execute(login);

  assert.equal(status, '200');
  await authorize(page, JSON.parse(body).token);
  assert.equal((await execute(await unfold(page, 'get', '/hello'))).status, '200');
});

for (const colorScheme of ['light', 'dark']) {
  browserTest(`everybody can use it, ${colorScheme}`, {}, async (world) => {
    const page = await openDocs(world, { colorScheme });
    await checkAccessibility(page, SWAGGER_UI);
    if (colorScheme === 'light') await world.screenshot(page, 'api-docs');

    const dialog = await openAuthorization(page);
    await checkAccessibility(page, SWAGGER_UI);
    await dialog.locator('.btn-done').first().click();

    await unfold(page, 'post', '/login');
    world.announce(/status of 401 .*\/hello/);
    await execute(await unfold(page, 'get', '/hello'));
    await checkAccessibility(page, SWAGGER_UI);
  });
}

browserTest('it fits on a phone', {}, async (world) => {
  const page = await openDocs(world, { viewport: { width: 390, height: 844 } });
  await unfold(page, 'post', '/login');

  const width = await page.evaluate(() => document.documentElement.scrollWidth);

  assert.equal(width, 390);
});
