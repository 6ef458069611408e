// A page of another origin uses the API as far as CORS_ORIGINS lets it, and no page shows ours in a frame.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { browserTest, checkAccessibility, PASSWORD, PROJECT } from './harness.mjs';

const example = () => readFile(join(PROJECT, 'examples/spa/index.html'));

async function signIn(world, page, { email }, password = PASSWORD) {
  await page.getByLabel('Address of the API').fill(world.server.origin);
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Signs in and out again; the API's answers are shown. */
async function useExample(world, origin) {
  const ada = await world.server.member('ada');
  await world.server.task({ title: 'Read <b>the</b> log', assigned_user_id: ada.id });
  await world.server.task({ title: 'Water the plants', status: 'in_progress', assigned_user_id: ada.id });
  const page = await world.open(origin);
  await checkAccessibility(page);

  await signIn(world, page, ada);

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
  // Chrome does not tell pages of its preflights; the server's log has them.
  for (const path of ['/login', '/hello', '/tasks', '/logout']) {
    await world.server.logged(new RegExp(`method=OPTIONS path=${path} status=204`));
  }
}

browserTest('a page of any origin, by default', {}, async (world) => {
  await useExample(world, await world.serve(await example()));
});

browserTest('a page of an origin that is listed', null, async (world) => {
  const origin = await world.serve(await example());
  await world.start({ CORS_ORIGINS: `https://app.example,${origin}` });
  await useExample(world, origin);
});

browserTest('a page of an origin that is not listed', { CORS_ORIGINS: 'https://app.example' }, async (world) => {
  const ada = await world.server.member('ada');
  const origin = await world.serve(await example());
  const page = await world.open(origin);
  world.announce(/console error: Access to fetch at .*\/login' .* has been blocked by CORS policy/);
  world.announce(/console error: Failed to load resource: net::ERR_FAILED .*\/login/);
  world.announce(/request failed: POST .*\/login: net::ERR_FAILED/);

  await signIn(world, page, ada);

  const refusal = page.getByRole('alert').filter({ hasText: `CORS_ORIGINS has to name ${origin}` });
  await refusal.waitFor();
  await checkAccessibility(page);
  assert.equal(await page.getByText('hello').isVisible(), false);
  assert.equal(await page.getByRole('listitem').count(), 0);
  // The browser has asked, and has not sent the password.
  await world.finish();
  assert.match(world.server.log, /method=OPTIONS path=\/login /);
  assert.doesNotMatch(world.server.log, /method=POST path=\/login .* user=ada /);
});

browserTest('errors of the API are shown to a page of another origin', {}, async (world) => {
  const ada = await world.server.signUp('ada');
  const page = await world.open(await world.serve(await example()), { colorScheme: 'dark' });

  world.announce(/status of 401 .*\/login/);
  await signIn(world, page, ada, 'not the password');
  await page.getByRole('alert').filter({ hasText: 'email or password incorrect.' }).waitFor();

  world.announce(/status of 403 .*\/tasks/);
  await signIn(world, page, ada);
  await page.getByText('signed in as ada').waitFor();
  await page.getByRole('alert').filter({ hasText: 'An administrator has yet to approve' }).waitFor();
  await checkAccessibility(page);
});

for (const path of ['/', '/docs']) {
  browserTest(`nobody shows ${path} in a frame`, {}, async (world) => {
    const origin = await world.serve(`<iframe src="${world.server.origin}${path}"></iframe>`);
    world.announce(/frame-ancestors 'none'/);
    world.announce(/request failed: GET .*: net::ERR_BLOCKED_BY_RESPONSE/);

    const page = await world.open(origin);

    const frame = page.frames()[1];
    assert.equal(frame.url(), 'chrome-error://chromewebdata/');
  });
}
