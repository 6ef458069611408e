// A live board: changes of others appear within seconds, softly, and cost the server little.

import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { browserTest, checkAccessibility } from './harness.mjs';
import {
  card, column, dialog, fillSignIn, holdRequests, openTask, signIn, titleButton, titles, waitForAnnouncement,
} from './steps.mjs';

const isUnchanged = (response) => response.url().endsWith('/tasks/summary') && response.status() === 304;
/** Waits for a 304: the page has asked, and knows that nothing has changed since. */
const waitUntilUpToDate = (page) => page.waitForResponse(isUnchanged);

async function move(env, { id }, status) {
  const token = await env.server.signIn(env.server.admin);
  await env.server.request(200, 'PATCH', `/tasks/${id}`, { token, body: { status } });
}

const hide = (page) => page.evaluate(() => {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });
  document.dispatchEvent(new Event('visibilitychange'));
});
const show = (page) => page.evaluate(() => {
  delete document.hidden;
  document.dispatchEvent(new Event('visibilitychange'));
});

browserTest('a move in one browser shows in another within three seconds, and the card keeps the focus', {}, async (env) => {
  const ada = await env.server.createUser('ada');
  const task = await env.server.createTask({ title: 'Water the plants', assigned_user_id: ada.id });
  await env.server.createTask({ title: 'Order chairs', assigned_user_id: ada.id });
  const manager = await signIn(env, env.server.admin);
  const employee = await signIn(env, ada);
  await titleButton(manager, 'Water the plants', 'To do').focus();
  // The page itself notes the time: steps of the test look at it up to half a second late.
  await manager.evaluate(() => {
    const columns = document.getElementById('columns');
    new MutationObserver(() => {
      if (columns.querySelector('[data-status=in_progress] .card')) window.shownAt ??= Date.now();
    }).observe(columns, { childList: true, subtree: true });
  });
  const saved = employee.waitForResponse((response) => response.request().method() === 'PATCH');
  await card(employee, 'Water the plants', 'To do').getByRole('button', { name: /to In progress/ }).click();
  await saved;
  const moved = Date.now();
  await card(manager, 'Water the plants', 'In progress').waitFor();
  const took = await manager.evaluate('window.shownAt') - moved;
  assert.ok(took < 3000, `${took} ms`);
  assert.equal(await manager.evaluate(() => document.activeElement.textContent), 'Water the plants');
  assert.deepEqual(await titles(manager, 'To do'), ['Order chairs']);
  await waitForAnnouncement(manager, 'A task has changed.');
  // The employee's own move is not announced as a change of others.
  await waitUntilUpToDate(employee);
  assert.ok(!(await employee.evaluate('window.announcements')).includes('A task has changed.'));
  // At most one announcement in half a minute.
  await move(env, task, 'completed');
  await manager.evaluate(() => { document.getElementById('announcer').textContent = ''; });
  await card(manager, 'Water the plants', 'Done').waitFor();
  await waitUntilUpToDate(manager);
  assert.equal(await manager.locator('#announcer').textContent(), '');
});

browserTest('changes of others leave an open dialog and its selection alone', {}, async (env) => {
  const task = await env.server.createTask({ title: 'Water the plants', description: 'Not the cactus.' });
  const other = await env.server.createTask({ title: 'Order chairs' });
  const page = await signIn(env, env.server.admin);
  await openTask(page, 'Water the plants');
  const description = dialog(page).getByLabel('Description');
  await description.fill('Not the fern.');
  await description.evaluate((field) => field.setSelectionRange(4, 7));
  await move(env, other, 'completed');
  await card(page, 'Order chairs', 'Done').waitFor({ state: 'attached' });
  assert.equal(await description.inputValue(), 'Not the fern.');
  const selection = await description.evaluate((field) => [
    field === document.activeElement, field.selectionStart, field.selectionEnd,
  ]);
  assert.deepEqual(selection, [true, 4, 7]);
  // Another user moves the task of the dialog: saving says so.
  await move(env, task, 'in_progress');
  await card(page, 'Water the plants', 'In progress').waitFor({ state: 'attached' });
  env.expectProblem(/412/);
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await dialog(page).getByText('Someone else has changed this').waitFor();
  assert.equal(await description.inputValue(), 'Not the fern.');
});

browserTest('an idle board sends one small request every two seconds, and a hidden page none', {}, async (env) => {
  await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin);
  await waitUntilUpToDate(page);
  env.requests.length = 0;
  await waitUntilUpToDate(page);
  await waitUntilUpToDate(page);
  assert.deepEqual(new Set(env.requests), new Set([`GET ${env.server.origin}/tasks/summary`]));
  await hide(page);
  env.requests.length = 0;
  await setTimeout(4500);
  assert.deepEqual(env.requests, []);
  await env.server.createTask({ title: 'Order chairs' });
  await show(page);
  await card(page, 'Order chairs', 'To do').waitFor();
});

browserTest('a hidden page that has lost the connection asks nothing', {}, async (env) => {
  env.expectProblem(/ERR_CONNECTION_REFUSED/);
  const page = await signIn(env, env.server.admin);
  await waitUntilUpToDate(page);
  await page.route('**/*', (route) => route.abort('connectionrefused'));
  const banner = page.locator('#connection-banner').getByText('The server cannot be reached.');
  await banner.waitFor();
  await hide(page);
  env.requests.length = 0;
  await setTimeout(4500);
  assert.deepEqual(env.requests, []);
  await page.unrouteAll({ behavior: 'wait' });
  await show(page);
  await banner.waitFor({ state: 'hidden' });
});

browserTest('a list that could not be loaded after a change is loaded by the next poll', {}, async (env) => {
  env.expectProblem(/503/);
  const page = await signIn(env, env.server.admin);
  await waitUntilUpToDate(page);
  let failures = 0;
  await page.route('**/tasks?*', (route) => {
    failures += 1;
    return route.fulfill({ status: 503, headers: { 'Retry-After': '1' }, json: { code: 'busy', msg: 'The server is busy' } });
  }, { times: 4 });
  await env.server.createTask({ title: 'Water the plants' });
  // The version of the tasks expires after 30 s at the earliest.
  await card(page, 'Water the plants', 'To do').waitFor({ timeout: 15_000 });
  assert.equal(failures, 4);
});

browserTest('a poll waits for the first load of the lists, and does not announce it as a change of others', {}, async (env) => {
  await env.server.createTask({ title: 'Water the plants' });
  const page = await env.openPage('/');
  let summaries = 0;
  await page.route('**/tasks/summary', async (route) => {
    summaries += 1;
    if (summaries === 1) await setTimeout(2500); // Longer than the time between two polls.
    await route.continue();
  });
  await fillSignIn(page, env.server.admin.email, env.server.admin.password);
  await card(page, 'Water the plants', 'To do').waitFor();
  await waitUntilUpToDate(page);
  assert.deepEqual((await page.evaluate('window.announcements')).filter((text) => /changed/.test(text)), []);
});

browserTest('a poll waits for the load of other filters, whose result is announced', {}, async (env) => {
  const task = await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin);
  await waitUntilUpToDate(page);
  const release = await holdRequests(page, (url) => url.searchParams.has('q'));
  const asked = page.waitForRequest((request) => request.url().includes('q=chairs'));
  await page.locator('#task-filters').getByLabel('Search').fill('chairs');
  await asked;
  await move(env, task, 'in_progress');
  await setTimeout(2500); // Longer than the time between two polls.
  release();
  await waitForAnnouncement(page, 'To do: 0, In progress: 0, Done: 0');
});

browserTest('a column says how many tasks it has, not how many are loaded', { RATE_LIMITS: 'off' }, async (env) => {
  const page = await signIn(env, env.server.admin);
  await column(page, 'To do').waitFor();
  for (let number = 0; number < 43; number += 1) {
    const deadline = new Date(Date.UTC(2031, 0, 1, 0, number)).toISOString();
    await env.server.createTask({ title: `Task ${number}`, deadline });
  }
  await page.getByRole('heading', { name: 'To do 43', exact: true }).waitFor();
  assert.ok((await titles(page, 'To do')).length < 43);
  // With a filter the number is not known before the list has been searched.
  await page.locator('#task-filters').getByLabel('Search').fill('Task 1');
  await page.getByRole('heading', { name: 'To do 11', exact: true }).waitFor();
});

browserTest('the history in the dialog says who did what', {}, async (env) => {
  const ada = await env.server.createUser('ada');
  const { id } = await env.server.createTask({ title: 'Water the plants', assigned_user_id: ada.id });
  const token = await env.server.signIn(ada);
  await env.server.request(200, 'PATCH', `/tasks/${id}`, { token, body: { status: 'in_progress' } });
  const employee = await signIn(env, ada);
  await openTask(employee, 'Water the plants');
  await dialog(employee).getByText('History').click();
  await dialog(employee).getByText(/: You moved it to “In progress”\./).waitFor();
  await dialog(employee).getByText(/: grace created it for you\./).waitFor();
  await checkAccessibility(employee);
  const manager = await signIn(env, env.server.admin);
  await openTask(manager, 'Water the plants');
  await dialog(manager).getByLabel('Assigned to').fill('');
  await dialog(manager).getByLabel('Title').fill('Water them');
  await dialog(manager).getByRole('button', { name: 'Save' }).click();
  await openTask(manager, 'Water them');
  await dialog(manager).getByText('History').click();
  await dialog(manager).getByText(/: You changed the title and took it from its assignee\./).waitFor();
  await dialog(manager).getByText(/: ada moved it to “In progress”\./).waitFor();
  // A new task has none.
  await dialog(manager).getByRole('button', { name: 'Cancel' }).click();
  await manager.getByRole('button', { name: 'New task' }).click();
  assert.equal(await dialog(manager).getByText('History').isVisible(), false);
});

browserTest('the names of assignees come with the tasks, without a request for each', {}, async (env) => {
  for (const name of ['ada', 'bob', 'joan']) {
    const { id } = await env.server.createUser(name);
    await env.server.createTask({ title: `Task of ${name}`, assigned_user_id: id });
  }
  const page = await signIn(env, env.server.admin);
  for (const name of ['ada', 'bob', 'joan']) await card(page, `Task of ${name}`).getByText(name, { exact: true }).waitFor();
  await card(page, 'Task of ada').getByRole('button', { name: /to In progress/ }).click();
  await card(page, 'Task of ada', 'In progress').getByText('ada', { exact: true }).waitFor();
  await waitUntilUpToDate(page);
  await card(page, 'Task of ada', 'In progress').getByText('ada', { exact: true }).waitFor();
  assert.deepEqual(env.requests.filter((request) => /users\/\d/.test(request)), []);
});

browserTest('an empty board says what to do first', {}, async (env) => {
  const ada = await env.server.createUser('ada');
  const employee = await signIn(env, ada);
  await employee.getByText('No task is assigned to you yet.').waitFor();
  const admin = await signIn(env, env.server.admin);
  await admin.getByText('There is no task yet.').waitFor();
  await admin.getByRole('link', { name: /Invite them/ }).waitFor();
  await checkAccessibility(admin);
  await admin.getByRole('button', { name: 'Create a task' }).click();
  await dialog(admin).getByLabel('Title').fill('Water the plants');
  await dialog(admin).getByLabel('Assigned to').fill('ada');
  await dialog(admin).getByRole('button', { name: 'Save' }).click();
  await card(admin, 'Water the plants', 'To do').waitFor();
  await admin.getByText('There is no task yet.').waitFor({ state: 'hidden' });
  assert.equal(await admin.evaluate(() => document.activeElement.id), 'tasks-title');
  await card(employee, 'Water the plants', 'To do').waitFor();
  await employee.getByText('No task is assigned to you yet.').waitFor({ state: 'hidden' });
});

