// The pages behind a reverse proxy that serves them below a path, beside other applications of the same host. It has
// nothing for other paths: a request that leaves the path fails the test.

import assert from 'node:assert/strict';
import { createServer, request as sendRequest } from 'node:http';
import { browserTest, PASSWORD } from './harness.mjs';
import {
  approve, authorize, card, column, dialog, execute, expandOperation, fillSignIn, openDocs, openPeople, openTask, titleButton,
  waitForAnnouncement, waitForStatus,
} from './steps.mjs';

const PATH = '/todo';

/** Starts a proxy that removes the path, and the server behind it. Returns the address of the board. */
async function startBehindProxy(env) {
  const proxy = createServer((request, response) => {
    if (!request.url.startsWith(`${PATH}/`)) {
      response.writeHead(404).end();
      return;
    }
    const { method, headers } = request;
    const url = new URL(request.url.slice(PATH.length), env.server.origin);
    const forwarded = sendRequest(url, { method, headers: { ...headers, 'X-Forwarded-For': '192.0.2.1' } }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    // A client that goes away, and a server that was stopped.
    response.on('close', () => forwarded.destroy());
    forwarded.on('error', () => response.destroy());
    request.pipe(forwarded);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  env.onCleanUp(() => proxy.close().closeAllConnections());
  const origin = `http://127.0.0.1:${proxy.address().port}`;
  await env.start({ PUBLIC_URL: origin + PATH, TRUSTED_PROXIES: '127.0.0.1' });
  env.allowOrigin(origin);
  return `${origin}${PATH}/`;
}

async function openBoard(env, address, { email }) {
  const page = await env.openPage(address);
  await fillSignIn(page, email, PASSWORD);
  await page.getByRole('button', { name: 'New task' }).waitFor();
  return page;
}

browserTest('below a path a manager joins by a link, takes a task through its life, and signs out', null, async (env) => {
  const address = await startBehindProxy(env);
  const admin = await openBoard(env, address, env.server.admin);
  await openPeople(admin);
  await admin.locator('#invite-form').getByLabel('Role').selectOption('manager');
  await admin.locator('#invite-form').getByRole('button', { name: 'Invite' }).click();
  const link = await dialog(admin).locator('#secret').inputValue();
  assert.ok(link.startsWith(`${address}#invitation=`), link);

  const page = await env.openPage(link);
  const form = page.locator('#sign-up-form');
  await form.getByLabel('Name').fill('joan');
  await form.getByLabel('E-mail').fill('joan@example.com');
  await form.getByLabel('Password').fill(PASSWORD);
  await form.getByRole('button', { name: 'Sign up' }).click();

  await page.getByRole('button', { name: 'New task' }).click();
  await dialog(page).getByLabel('Title').fill('Water the plants');
  await dialog(page).getByLabel('Assigned to').fill('joan');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await card(page, 'Water the plants', 'To do').getByText('joan').waitFor();
  await titleButton(page, 'Water the plants').focus();
  await page.keyboard.press('Shift+ArrowRight');
  await waitForStatus(env, 1, 'in_progress');
  await openTask(page, 'Water the plants');
  await dialog(page).getByLabel('Status').selectOption('Done');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await waitForAnnouncement(page, '“Water the plants” is saved.');
  await openTask(page, 'Water the plants');
  await dialog(page).getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await column(page, 'Done').getByText('No tasks here.').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
  assert.equal(page.url(), address);
});

browserTest('below a path an admin approves an account, and its owner sets a new password with a link', null, async (env) => {
  const address = await startBehindProxy(env);
  await env.server.signUp('ada');
  const admin = await openBoard(env, address, env.server.admin);
  await approve(admin, 'ada', 'manager');
  await admin.getByRole('button', { name: 'More: ada' }).click();
  await admin.getByRole('button', { name: 'Reset password: ada' }).click();
  await admin.getByRole('alertdialog').getByRole('button', { name: 'Make a link' }).click();
  const link = await dialog(admin).locator('#secret').inputValue();
  assert.ok(link.startsWith(`${address}#reset=`), link);

  const page = await env.openPage(link);
  await page.locator('#reset-form').getByLabel('New password').fill('another horse battery');
  await page.getByRole('button', { name: 'Set the password' }).click();
  await page.getByText('Your new password is set. Sign in with it.').waitFor();
  await fillSignIn(page, 'ada@example.com', 'another horse battery');
  await page.getByRole('button', { name: 'New task' }).waitFor();
});

browserTest('below a path a request from the documentation page reaches the API', null, async (env) => {
  const address = await startBehindProxy(env);
  const page = await openDocs(env, {}, `${address}docs`);
  await authorize(page, await env.server.signIn(env.server.admin));
  const hello = await execute(await expandOperation(page, 'get', '/hello'));
  assert.equal(hello.status, '200');
  assert.match(hello.body, /"user_name": "grace"/);

  const create = await expandOperation(page, 'post', '/tasks');
  await create.getByLabel('Request body').fill('{"title": "Water the plants"}');
  assert.equal((await execute(create)).status, '201');
  await create.locator('.live-responses-table').getByText(`location: ${PATH}/tasks/1`).waitFor();
});
