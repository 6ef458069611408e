// The task board at /: what users see and do with mouse, keyboard and touch, and what they see of each other's
// changes.

import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { browserTest, checkAccessibility, PASSWORD } from './harness.mjs';
import {
  APPEARANCES, approve, card, column, dialog, discard, drag, fetchTask, fillSignIn, holdPolls, holdRequests, openAccount, openPeople,
  openTask, PHONE, returnToTab, signIn, signUp, titleButton, titles, waitForAnnouncement, waitForStatus,
} from './steps.mjs';

/** HTML that would run a script if the page inserted it as HTML instead of text. */
const HTML_INJECTION = '<img src=x onerror="window.injected=1">';

/** True behind several servers that restart all the time: a rate limit is seldom reached there. Says so. */
function eachServerCountsForItself() {
  const isTrue = Boolean(process.env.SEVERAL_SERVERS);
  if (isTrue) console.log('not with several servers: each counts the requests for itself, and forgets them at a restart');
  return isTrue;
}

// ---- end to end, and HTML injection -------------------------------------------------------------

browserTest('an admin approves two new users, the manager creates a task, and the employee completes it', {}, async (env) => {
  const employee = await signUp(env, 'ada');
  await checkAccessibility(employee);
  const manager = await signUp(env, 'joan');

  const admin = await signIn(env, env.server.admin);
  await column(admin, 'To do').getByText('No tasks here.').waitFor();
  await admin.getByRole('link', { name: /People 2/ }).waitFor();
  await approve(admin, 'ada', 'employee');
  await approve(admin, 'joan', 'manager');
  await admin.locator('#unapproved-accounts').getByText('No accounts are waiting.').waitFor();
  await checkAccessibility(admin);

  // The manager's page polls for the approval and opens the board without a click.
  await manager.getByRole('button', { name: 'New task' }).click();
  await dialog(manager).getByLabel('Title').fill('Water the plants');
  await dialog(manager).getByLabel('Description').fill('Not the cactus.');
  await dialog(manager).getByLabel('Deadline').fill('2031-05-01');
  await dialog(manager).getByLabel('Time').fill('12:30');
  await dialog(manager).getByLabel('Assigned to').fill('ada');
  await checkAccessibility(manager);
  await dialog(manager).getByRole('button', { name: 'Save' }).click();
  await card(manager, 'Water the plants', 'To do').getByText('ada').waitFor();
  await waitForAnnouncement(manager, '“Water the plants” is saved.');

  await employee.getByRole('heading', { name: 'My tasks' }).waitFor();
  await returnToTab(employee);
  await card(employee, 'Water the plants', 'To do').getByText('Due 1 May 2031').waitFor();
  assert.equal(await employee.getByRole('button', { name: 'New task' }).isVisible(), false);
  assert.equal(await employee.getByRole('link', { name: /People/ }).isVisible(), false);
  await checkAccessibility(employee);
  await drag(employee, 'Water the plants', 'In progress');
  await card(employee, 'Water the plants', 'In progress').waitFor();
  await titleButton(employee, 'Water the plants').focus();
  await employee.keyboard.press('Shift+ArrowRight');
  await card(employee, 'Water the plants', 'Done').waitFor();
  await waitForAnnouncement(employee, '“Water the plants” moved to Done.');
  await waitForStatus(env, 1, 'completed');

  await returnToTab(manager);
  await card(manager, 'Water the plants', 'Done').waitFor();
  await openTask(manager, 'Water the plants');
  await dialog(manager).getByRole('button', { name: 'Delete' }).click();
  await manager.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await column(manager, 'Done').getByText('No tasks here.').waitFor();
  await employee.getByRole('button', { name: 'Sign out' }).click();
  await employee.getByText('You are signed out.').waitFor();
});

browserTest('HTML in names, titles and descriptions is shown as text, and no script runs', {}, async (env) => {
  // signUp() makes an e-mail address from the name.
  const rejected = await env.server.signUp(`ada ${HTML_INJECTION}`.slice(0, 80)).catch(() => null);
  assert.equal(rejected, null, 'an e-mail address cannot contain HTML');
  const body = { username: HTML_INJECTION, email: 'ada@example.com', password: PASSWORD };
  const ada = await env.server.request(201, 'POST', '/signup', { body });
  await env.server.updateUser(ada, { is_approved: true });
  const task = { title: HTML_INJECTION, description: `${HTML_INJECTION}<script>window.injected=1</script>`, assigned_user_id: ada.id };
  const { id } = await env.server.createTask(task);

  const page = await signIn(env, env.server.admin);
  await card(page, HTML_INJECTION, 'To do').getByText(task.description).waitFor();
  await card(page, HTML_INJECTION).locator('.assignee').getByText(HTML_INJECTION).waitFor();
  await card(page, HTML_INJECTION).getByRole('button', { name: `Move “${HTML_INJECTION}” to In progress` }).click();
  await waitForAnnouncement(page, `“${HTML_INJECTION}” moved to In progress.`);
  await waitForStatus(env, id, 'in_progress');
  await openTask(page, HTML_INJECTION);
  assert.equal(await dialog(page).getByLabel('Title').inputValue(), HTML_INJECTION);
  await dialog(page).getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('alertdialog').getByText(`Delete “${HTML_INJECTION}”?`).waitFor();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click();
  await dialog(page).getByRole('button', { name: 'Cancel' }).click();
  await openPeople(page);
  await page.locator('#approved-accounts').getByText(HTML_INJECTION).waitFor();
  assert.equal(await page.evaluate(() => window.injected), undefined);
  assert.equal(await page.locator('img[src=x]').count(), 0);
  assert.deepEqual(env.requests.filter((request) => request.endsWith('/x')), []);

  const ownPage = await signIn(env, { email: 'ada@example.com' });
  await ownPage.getByRole('button', { name: `Account of ${HTML_INJECTION}` }).waitFor();
  await card(ownPage, HTML_INJECTION, 'In progress').waitFor();
  assert.equal(await ownPage.evaluate(() => window.injected), undefined);
});

browserTest('Trusted Types stop a script that assigns HTML to the page', {}, async (env) => {
  env.expectProblem(/require-trusted-types-for/);
  env.expectProblem(/This document requires 'TrustedHTML' assignment/);
  const page = await env.openPage('/');
  const errorName = await page.evaluate((html) => {
    try {
      document.body.innerHTML = html;
      return 'none';
    } catch (error) {
      return error.name;
    }
  }, HTML_INJECTION);
  assert.equal(errorName, 'TypeError');
});

// ---- signing in and out -------------------------------------------------------------------------

browserTest('a sign-up with invalid data shows an error at each field and focuses the first of them', {}, async (env) => {
  env.expectProblem(/422/);
  env.expectProblem(/409/);
  await env.server.signUp('ada');
  const page = await env.openPage('/');
  await page.getByRole('button', { name: 'Create an account' }).click();
  const form = page.locator('#sign-up-form');
  await form.getByLabel('Name').fill('ada');
  await form.getByLabel('E-mail').fill('nonsense');
  await form.getByLabel('Password').fill('password1');
  await form.getByRole('button', { name: 'Sign up' }).click();
  await form.getByText('Please check the marked fields.').waitFor();
  await form.getByText('must be an e-mail address').waitFor();
  const focused = await page.evaluate(() => document.activeElement.name);
  assert.equal(focused, 'email');
  assert.equal(await form.getByLabel('Password').getAttribute('aria-invalid'), 'true');
  await checkAccessibility(page);
  await form.getByLabel('E-mail').fill('other@example.com');
  await form.getByLabel('Password').fill(PASSWORD);
  await form.getByRole('button', { name: 'Sign up' }).click();
  await form.getByText('An account with this name or e-mail already exists.').waitFor();
  assert.equal(await form.getByLabel('E-mail').getAttribute('aria-invalid'), null);
});

browserTest('after too many wrong passwords the form says how long to wait', {}, async (env) => {
  if (eachServerCountsForItself()) return;
  env.expectProblem(/401/);
  env.expectProblem(/429/);
  const ada = await env.server.createUser('ada');
  const page = await signIn(env, { ...ada, password: 'not this one' });
  const form = page.locator('#sign-in-form');
  await form.getByText('The e-mail or password is wrong.').waitFor();
  const rateLimitError = form.getByText(/^Too many requests\. Try again in (\d+ seconds|1 second)\.$/);
  for (let tries = 0; !await rateLimitError.isVisible(); tries += 1) {
    assert.ok(tries < 20);
    const responded = page.waitForResponse((response) => response.url().endsWith('/login'));
    await form.getByRole('button', { name: 'Sign in' }).click();
    await responded;
    await page.waitForFunction(() => document.getElementById('sign-in-form').ariaBusy === 'false');
  }
});

browserTest('an expired access token is refreshed silently, and the user goes on working', { JWT_ACCESS_TOKEN_EXPIRES: '6s' }, async (env) => {
  env.expectProblem(/401/);
  const { id } = await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin);
  await card(page, 'Water the plants', 'To do').waitFor();
  const refreshed = page.waitForResponse((response) => response.url().endsWith('/refresh'));
  // Sends requests until the access token has expired and one of them makes the page refresh it.
  let isRefreshed = false;
  refreshed.then(() => { isRefreshed = true; });
  while (!isRefreshed) {
    await page.keyboard.press('Escape');
    const responded = page.waitForResponse((response) => response.url().endsWith('/me'));
    await returnToTab(page);
    await responded;
  }
  await card(page, 'Water the plants').getByRole('button', { name: /to In progress/ }).click();
  await waitForStatus(env, id, 'in_progress');
  await card(page, 'Water the plants', 'In progress').waitFor();
});

browserTest('a user whose session was revoked is returned to the sign-in form, and can sign in again', {}, async (env) => {
  env.expectProblem(/401/);
  const ada = await env.server.createUser('ada');
  await env.server.createTask({ title: 'Water the plants', assigned_user_id: ada.id });
  const page = await signIn(env, ada);
  await card(page, 'Water the plants', 'To do').waitFor();
  const releasePolls = await holdPolls(page);
  await env.server.request(204, 'POST', '/me/sessions/revoke-all', { token: await env.server.signIn(ada) });
  await titleButton(page, 'Water the plants').click();
  await page.getByText('Your session has ended. Please sign in again.').waitFor();
  releasePolls();
  await fillSignIn(page, ada.email, ada.password);
  await card(page, 'Water the plants', 'To do').waitFor();
});

browserTest('a user changes their password, then signs out everywhere', {}, async (env) => {
  env.expectProblem(/403/);
  env.expectProblem(/401.*logout/); // It deletes the cookie of the session that has ended.
  const ada = await env.server.createUser('ada');
  const page = await signIn(env, ada);
  await page.getByRole('button', { name: 'Account of ada' }).click();
  await checkAccessibility(page);
  const currentPassword = page.locator('#profile-form').getByLabel('Current password');
  await dialog(page).getByLabel('New password').fill('another horse battery');
  await currentPassword.fill('not this one');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await dialog(page).getByText('The current password is wrong').waitFor();
  await currentPassword.fill(ada.password);
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await waitForAnnouncement(page, 'Your account is updated.');
  const token = await env.server.signIn({ ...ada, password: 'another horse battery' });

  await page.getByRole('button', { name: 'Account of ada' }).click();
  await dialog(page).getByRole('button', { name: 'Sign out everywhere' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Sign out everywhere' }).click();
  await page.getByText('You are signed out everywhere.').waitFor();
  await env.server.request(401, 'GET', '/me', { token });
});

browserTest('signing out ends the session even if the access token has expired', { JWT_ACCESS_TOKEN_EXPIRES: '3s' }, async (env) => {
  // A request for tasks may meet the expired token.
  env.allowProblem(/401 .*\/tasks/);
  const ada = await env.server.createUser('ada');
  const page = await signIn(env, ada);
  await page.getByRole('heading', { name: 'My tasks' }).waitFor();
  await page.waitForLoadState('networkidle');
  const browserSessions = async () => (await env.server.request(200, 'GET', '/me/sessions', { token: await env.server.signIn(ada) }))
    .items.filter(({ user_agent: agent }) => agent.includes('Chrome'));
  assert.equal((await browserSessions()).length, 1);
  await setTimeout(6100); // Longer than the access token is valid.
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
  assert.deepEqual(await browserSessions(), []);
});

// ---- moving tasks, and the focus ----------------------------------------------------------------

browserTest('a user moves the focus with arrow keys and tasks with Shift+Arrow, and the moved card keeps the focus', {}, async (env) => {
  for (const title of ['a', 'b', 'c']) await env.server.createTask({ title });
  const { id } = await env.server.createTask({ title: 'd', status: 'completed' });
  const page = await signIn(env, env.server.admin);
  await page.getByLabel('Sort by').selectOption('title');
  await card(page, 'd', 'Done').waitFor();
  await titleButton(page, 'a', 'To do').focus();
  const focus = () => page.evaluate(() => document.activeElement.textContent);
  for (const [key, expected] of [
    ['ArrowDown', 'b'], ['ArrowDown', 'c'], ['ArrowDown', 'c'], ['ArrowUp', 'b'], ['ArrowRight', 'd'], ['ArrowLeft', 'a'],
  ]) {
    await page.keyboard.press(key);
    assert.equal(await focus(), expected, key);
  }
  // The keys are pressed faster than the server responds. The last move decides.
  await page.keyboard.press('ArrowRight');
  for (const key of ['Left', 'Left', 'Right', 'Left']) await page.keyboard.press(`Shift+Arrow${key}`);
  assert.equal(await focus(), 'd');
  assert.deepEqual(await titles(page, 'To do'), ['a', 'b', 'c', 'd']);
  await waitForStatus(env, id, 'pending');
  // There is no column to the left of the first one.
  await page.keyboard.press('Shift+ArrowLeft');
  assert.equal(await focus(), 'd');
  assert.deepEqual(await titles(page, 'To do'), ['a', 'b', 'c', 'd']);

  const press = async (name) => {
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), name);
    await page.keyboard.press('Enter');
  };
  await press('Move “d” to In progress');
  await card(page, 'd', 'In progress').waitFor();
  // The button that was pressed keeps the focus when its card moves.
  assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), 'Move “d” to Done');
  await page.keyboard.press('Enter');
  await card(page, 'd', 'Done').waitFor();
  assert.equal(await focus(), 'd');
});

browserTest('several fast moves of one task are sent one after another', {}, async (env) => {
  const { id } = await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin);
  await titleButton(page, 'Water the plants').focus();
  const path = new RegExp(`^PATCH .*/tasks/${id}$`);
  const sentCount = () => env.requests.filter((request) => path.test(request)).length;
  const release = await holdRequests(page, (url) => url.pathname === `/tasks/${id}`);
  const sent = page.waitForRequest((request) => path.test(`${request.method()} ${request.url()}`));
  for (const key of ['Right', 'Right', 'Left']) await page.keyboard.press(`Shift+Arrow${key}`);
  await card(page, 'Water the plants', 'In progress').waitFor();
  await sent;
  assert.equal(sentCount(), 1);
  release();
  await page.waitForResponse((response) => response.url().endsWith(`/tasks/${id}`) && sentCount() === 3);
  await page.unrouteAll({ behavior: 'wait' });
  assert.equal((await fetchTask(env, id)).status, 'in_progress');
  await card(page, 'Water the plants', 'In progress').waitFor();
});

browserTest('the focus stays on a card that another user moves up, and goes to the next card when it is deleted', {}, async (env) => {
  for (const title of ['a', 'b', 'c']) await env.server.createTask({ title });
  const page = await signIn(env, env.server.admin);
  await page.getByLabel('Sort by').selectOption('title');
  await titleButton(page, 'c').focus();
  const token = await env.server.signIn(env.server.admin);
  const focus = () => page.evaluate(() => document.activeElement.textContent);
  await env.server.request(200, 'PATCH', '/tasks/3', { token, body: { title: 'A' } });
  await returnToTab(page);
  await titleButton(page, 'A').waitFor();
  assert.deepEqual(await titles(page, 'To do'), ['A', 'a', 'b']);
  assert.equal(await focus(), 'A');
  for (const [id, next] of [[3, 'a'], [1, 'b'], [2, 'To do 0']]) {
    await env.server.request(204, 'DELETE', `/tasks/${id}`, { token });
    await returnToTab(page);
    await page.waitForFunction((next) => document.activeElement.textContent === next, next);
  }
});

browserTest('a cancelled drag and a drop in the same column change nothing and open nothing, and a click opens the task', {}, async (env) => {
  const { id } = await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin);
  const from = await titleButton(page, 'Water the plants').boundingBox();
  const target = await column(page, 'Done').boundingBox();
  await page.mouse.move(from.x + 10, from.y + 5);
  await page.mouse.down();
  await page.mouse.move(target.x + 50, target.y + 50, { steps: 4 });
  await page.locator('.column.drop-target[data-status=completed]').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('.drag-preview').waitFor({ state: 'detached' });
  await page.mouse.move(from.x + 10, from.y + 5);
  await page.mouse.up();
  assert.equal(await dialog(page).isVisible(), false);
  await drag(page, 'Water the plants', 'To do');
  assert.deepEqual(await titles(page, 'To do'), ['Water the plants']);
  assert.equal(await dialog(page).isVisible(), false);
  assert.equal((await fetchTask(env, id)).status, 'pending');

  await titleButton(page, 'Water the plants').click();
  await dialog(page).waitFor();
});

browserTest('on a phone a user drags a card by its handle, and no view is wider than the screen', {}, async (env) => {
  const { id } = await env.server.createTask({ title: 'Water the plants', description: 'x'.repeat(500) });
  const page = await signIn(env, env.server.admin, PHONE);
  await titleButton(page, 'Water the plants').waitFor();
  const fitsScreen = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
  assert.ok(await fitsScreen());
  await page.getByRole('button', { name: 'Filters' }).tap();
  await page.getByRole('combobox', { name: 'Due' }).waitFor();
  assert.ok(await fitsScreen());
  await checkAccessibility(page);
  await page.getByRole('button', { name: 'Filters' }).tap();

  const handle = await card(page, 'Water the plants').locator('.drag-handle').boundingBox();
  const [x, y] = [handle.x + handle.width / 2, handle.y + handle.height / 2];
  const devTools = await page.context().newCDPSession(page);
  const touch = (type, ...points) => devTools.send('Input.dispatchTouchEvent', { type, touchPoints: points });
  await touch('touchStart', { x, y });
  await touch('touchMove', { x: x - 20, y: y + 10 });
  // Near the edge the columns scroll until the last one is under the finger.
  await touch('touchMove', { x: 385, y: y + 10 });
  await page.waitForFunction(() => {
    const { scrollLeft, clientWidth, scrollWidth } = document.getElementById('columns');
    return scrollLeft + clientWidth >= scrollWidth - 1;
  });
  await touch('touchMove', { x: 300, y: y + 10 });
  await page.locator('.column.drop-target[data-status=completed]').waitFor();
  await touch('touchEnd');
  await card(page, 'Water the plants', 'Done').waitFor();
  await waitForStatus(env, id, 'completed');

  // click(), not tap(): so shortly after a drag Chrome takes a tap as the gesture that stops its momentum.
  await card(page, 'Water the plants').getByRole('button', { name: /to In progress/ }).click();
  await waitForStatus(env, id, 'in_progress');
  await card(page, 'Water the plants', 'In progress').waitFor();
  await titleButton(page, 'Water the plants').click();
  await dialog(page).waitFor();
  assert.ok(await fitsScreen());
});

browserTest('the skip link moves the focus to the content and leaves the view open', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  await openPeople(page);
  await page.getByRole('link', { name: 'Skip to content' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await page.waitForFunction(() => document.activeElement.id === 'main');
});

// ---- errors, and changes by other users ---------------------------------------------------------

browserTest('a move without a connection is undone, and succeeds when the user tries it again', {}, async (env) => {
  env.expectProblem(/ERR_INTERNET_DISCONNECTED/);
  const { id } = await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin);
  await titleButton(page, 'Water the plants').waitFor();
  await page.context().setOffline(true);
  await card(page, 'Water the plants').getByRole('button', { name: /to In progress/ }).click();
  const banner = page.getByText('The server cannot be reached. What you see may be out of date.');
  await banner.waitFor();
  const notification = page.locator('.notification').filter({ hasText: '“Water the plants” was not moved.' });
  await notification.waitFor();
  await card(page, 'Water the plants', 'To do').waitFor();
  await checkAccessibility(page);
  await page.context().setOffline(false);
  await notification.getByRole('button', { name: 'Try again' }).click();
  await card(page, 'Water the plants', 'In progress').waitFor();
  await waitForStatus(env, id, 'in_progress');
  await banner.waitFor({ state: 'hidden' });
});

browserTest('a page that loses the connection before the sign-in reconnects and signs in by itself', {}, async (env) => {
  env.expectProblem(/ERR_INTERNET_DISCONNECTED/);
  await env.server.createTask({ title: 'Water the plants' });
  const page = await env.openPage('/');
  await page.context().setOffline(true);
  await fillSignIn(page, env.server.admin.email, PASSWORD);
  await page.locator('#sign-in-form').getByText('The server cannot be reached.').waitFor();
  await page.context().setOffline(false);
  await page.getByText('What you see may be out of date.').waitFor({ state: 'hidden' });
  await card(page, 'Water the plants', 'To do').waitFor();
});

browserTest('after too many requests a list says when to try again, and the button loads it', { REQUESTS_PER_MINUTE: '60' }, async (env) => {
  if (eachServerCountsForItself()) return;
  env.expectProblem(/429/);
  await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin);
  await card(page, 'Water the plants', 'To do').waitFor();
  // Otherwise the page loads the list by itself.
  await holdPolls(page);
  const rateLimitError = column(page, 'To do').getByText(/^Too many requests\. Try again in/);
  for (let count = 0; !await rateLimitError.isVisible(); count += 1) {
    const responded = page.waitForResponse((response) => response.url().includes('status=pending'));
    await page.getByLabel('Sort by').selectOption({ index: count % 2 });
    await responded;
  }
  const retry = column(page, 'To do').getByRole('button', { name: 'Try again', exact: true });
  for (let tries = 0; await rateLimitError.isVisible(); tries += 1) {
    assert.ok(tries < 20, 'the button does not load the list');
    await retry.click({ timeout: 5000 }).catch(() => {}); // A refresh that is still open may load the list first.
  }
  await card(page, 'Water the plants', 'To do').waitFor();
});

browserTest('a response that is not from the API shows an error, and the list loads when the API responds again', {}, async (env) => {
  env.expectProblem(/502/);
  await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin);
  await card(page, 'Water the plants', 'To do').waitFor();
  // Such as the sign-in page of a public Wi-Fi, or the error page of a proxy.
  await page.route('**/tasks?*', (route) => route.fulfill({ status: 200, contentType: 'text/html', body: '<h1>Hotel Wi-Fi</h1>' }));
  await returnToTab(page);
  await column(page, 'Done').getByText('A proxy in front of this server asks you to sign in.').waitFor();
  await page.route('**/tasks?*', (route) => route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' }));
  await column(page, 'Done').getByRole('button', { name: 'Try again' }).click();
  await column(page, 'Done').getByText('The server responded with status 502. Try again later.').waitFor();
  await page.route('**/tasks?*', (route) => route.fulfill({ status: 200, contentType: 'application/json', body: '{' }));
  await column(page, 'Done').getByRole('button', { name: 'Try again' }).click();
  await column(page, 'Done').getByText('The server sent a response that this page cannot read. Try again.').waitFor();
  await page.unrouteAll({ behavior: 'wait' });
  await returnToTab(page);
  await column(page, 'Done').getByText('No tasks here.').waitFor();
});

browserTest('a user cannot overwrite a change that they have not seen', {}, async (env) => {
  env.expectProblem(/412/);
  const { id } = await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin);
  await openTask(page, 'Water the plants');
  await dialog(page).getByLabel('Title').fill('Water the flowers');
  const token = await env.server.signIn(env.server.admin);
  await env.server.request(200, 'PATCH', `/tasks/${id}`, { token, body: { description: 'Not the cactus.' } });
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await dialog(page).getByText('Someone else has changed this since you opened it. Nothing was saved.').waitFor();
  assert.equal((await fetchTask(env, id)).title, 'Water the plants');
  await dialog(page).getByRole('button', { name: 'Load the new version' }).click();
  await discard(page);
  await dialog(page).getByRole('button', { name: 'Load the new version' }).waitFor({ state: 'hidden' });
  assert.equal(await dialog(page).getByLabel('Description').inputValue(), 'Not the cactus.');
  await dialog(page).getByLabel('Title').fill('Water the flowers');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await titleButton(page, 'Water the flowers').waitFor();
  assert.equal((await fetchTask(env, id)).description, 'Not the cactus.');
});

browserTest('a task that the employee can no longer see disappears from the board when they move it', {}, async (env) => {
  env.expectProblem(/404/);
  const ada = await env.server.createUser('ada');
  const { id } = await env.server.createTask({ title: 'Water the plants', assigned_user_id: ada.id });
  const page = await signIn(env, ada);
  await titleButton(page, 'Water the plants').waitFor();
  const releasePolls = await holdPolls(page);
  const token = await env.server.signIn(env.server.admin);
  await env.server.request(200, 'PATCH', `/tasks/${id}`, { token, body: { assigned_user_id: null } });
  await card(page, 'Water the plants').getByRole('button', { name: /to In progress/ }).click();
  await page.getByText('“Water the plants” was not moved. It is no longer available.').waitFor();
  await card(page, 'Water the plants').waitFor({ state: 'detached' });
  releasePolls();
});

browserTest('a change of role or approval takes effect on an open page', {}, async (env) => {
  env.expectProblem(/403/);
  const ada = await env.server.createUser('ada', 'manager');
  const page = await signIn(env, ada);
  await page.getByRole('button', { name: 'New task' }).click();
  const releasePolls = await holdPolls(page);
  await env.server.updateUser(ada, { role: 'employee' });
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await dialog(page).getByText('Your role does not permit this').waitFor();
  releasePolls();
  await dialog(page).getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('heading', { name: 'My tasks' }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'New task' }).isVisible(), false);
  await page.locator('.notification').getByText('Your role is now employee.').waitFor();
  // A withdrawn approval ends the sessions of the account.
  env.expectProblem(/401/);
  await env.server.updateUser(ada, { is_approved: false });
  await page.getByText('Your session has ended. Please sign in again.').waitFor();
  await fillSignIn(page, ada.email, ada.password);
  await page.getByRole('heading', { name: 'Waiting for approval' }).first().waitFor();
  await page.getByRole('button', { name: 'Check now' }).click();
  await waitForAnnouncement(page, 'Not approved yet.');
  await env.server.updateUser(ada, { is_approved: true });
  // The page may have found out by itself, so the button may be hidden by now.
  await page.locator('#check-approval').dispatchEvent('click');
  await page.getByRole('heading', { name: 'My tasks' }).waitFor();
  await page.getByText('Your account is approved. Your role is employee.').waitFor();
});

// ---- people -------------------------------------------------------------------------------------

browserTest('an admin changes a role, withdraws an approval, deletes an account, and cannot demote the last admin', {}, async (env) => {
  env.expectProblem(/409/);
  await env.server.createUser('ada');
  const page = await signIn(env, env.server.admin);
  await openPeople(page);
  await page.getByLabel('Role of ada').selectOption('manager');
  await checkAccessibility(page);
  await page.getByRole('button', { name: 'Change role: ada' }).click();
  await waitForAnnouncement(page, 'ada is approved as manager.');
  await page.getByRole('button', { name: 'Change role: ada' }).waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'More: ada' }).click();
  await page.getByRole('button', { name: 'Withdraw approval: ada' }).click();
  await page.locator('#unapproved-accounts').getByText('ada', { exact: true }).waitFor();
  await waitForAnnouncement(page, 'ada is no longer approved.');
  await page.getByRole('button', { name: 'Delete: ada' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click();
  await page.locator('#unapproved-accounts').getByText('ada', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Delete: ada' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await waitForAnnouncement(page, 'The account of ada is deleted.');
  await page.locator('#unapproved-accounts').getByText('No accounts are waiting.').waitFor();

  await page.getByLabel('Role of grace').selectOption('employee');
  await page.getByRole('button', { name: 'Change role: grace' }).click();
  await page.getByText('grace: This is the last admin. Make another account an admin first.').waitFor();
  assert.equal(await page.getByLabel('Role of grace').inputValue(), 'admin');
  await page.goBack();
  await page.getByRole('heading', { name: 'Tasks' }).waitFor();
});

browserTest('a selected role survives a refresh, and after an approval the focus goes to the next account', {}, async (env) => {
  const ada = await env.server.signUp('ada');
  const page = await signIn(env, env.server.admin);
  await openPeople(page);
  await page.getByLabel('Role of ada').selectOption('manager');
  await env.server.signUp('joan');
  await returnToTab(page);
  await page.locator('#unapproved-accounts').getByText('joan', { exact: true }).waitFor();
  assert.equal(await page.getByLabel('Role of ada').inputValue(), 'manager');
  await page.getByRole('button', { name: 'Approve: ada' }).focus();
  await page.keyboard.press('Enter');
  await page.locator('#approved-accounts').getByText('ada', { exact: true }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), 'Approve: joan');
  const token = await env.server.signIn(env.server.admin);
  assert.equal((await env.server.request(200, 'GET', `/users/${ada.id}`, { token })).role, 'manager');
  await page.getByLabel('Role of ada').selectOption('employee');
  await page.getByRole('button', { name: 'Change role: ada' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Change role: ada' }).waitFor({ state: 'hidden' });
  assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), 'Role of ada');
});

browserTest('an admin who demotes their own account sees the employee view at once', {}, async (env) => {
  await env.server.createUser('joan', 'admin');
  const page = await signIn(env, env.server.admin);
  await openPeople(page);
  await page.getByLabel('Role of grace').selectOption('employee');
  await page.getByRole('button', { name: 'Change role: grace' }).click();
  await page.getByText('Your role is now employee.').waitFor();
  await page.getByRole('heading', { name: 'My tasks' }).waitFor();
});

// ---- responses that come late -------------------------------------------------------------------

browserTest('after a sign-out the next user sees no data of the previous user, even if a request was still open', {}, async (env) => {
  const [ada, joan] = [await env.server.createUser('ada'), await env.server.createUser('joan', 'manager')];
  const { id } = await env.server.createTask({ title: 'Water the plants', assigned_user_id: joan.id });
  const page = await signIn(env, joan);
  await page.getByRole('searchbox', { name: 'Search' }).first().fill('plants');
  await titleButton(page, 'Water the plants').waitFor();
  const release = await holdRequests(page, (url) => url.pathname === `/tasks/${id}`);
  await card(page, 'Water the plants').getByRole('button', { name: /to In progress/ }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
  release();
  await page.unrouteAll({ behavior: 'wait' });
  assert.doesNotMatch(await page.evaluate(() => document.documentElement.outerHTML), /plants|joan/i);
  await fillSignIn(page, ada.email, ada.password);
  await page.getByRole('heading', { name: 'My tasks' }).waitFor();
  await column(page, 'To do').getByText('No tasks here.').waitFor();
  await column(page, 'In progress').getByText('No tasks here.').waitFor();
  assert.equal(await page.getByRole('searchbox', { name: 'Search' }).first().inputValue(), '');
  assert.doesNotMatch(await page.evaluate(() => document.documentElement.outerHTML), /plants|joan/i);
});

browserTest('a list response that was requested before a move does not undo it', {}, async (env) => {
  const { id } = await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin);
  await titleButton(page, 'Water the plants').focus();
  // The server responds before the move, and the response arrives after it.
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  await page.route((url) => url.pathname === '/tasks', async (route) => {
    const response = await route.fetch();
    await released;
    await route.fulfill({ response });
  });
  const requested = page.waitForRequest((request) => request.url().includes('status=completed'));
  await returnToTab(page);
  await requested;
  await page.keyboard.press('Shift+ArrowRight');
  await waitForStatus(env, id, 'in_progress');
  release();
  await page.unrouteAll({ behavior: 'wait' });
  await page.waitForLoadState('networkidle');
  assert.deepEqual(await titles(page, 'In progress'), ['Water the plants']);
  assert.deepEqual(await titles(page, 'To do'), []);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Water the plants');
});

browserTest('a task that loads slowly does not replace the dialog that was opened since', {}, async (env) => {
  const { id } = await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin);
  await titleButton(page, 'Water the plants').waitFor();
  const release = await holdRequests(page, (url) => url.pathname === `/tasks/${id}`);
  await titleButton(page, 'Water the plants').click();
  await page.getByRole('button', { name: 'New task' }).click();
  await dialog(page).getByLabel('Title').fill('Order chairs');
  release();
  await page.unrouteAll({ behavior: 'wait' });
  await page.waitForLoadState('networkidle');
  assert.equal(await dialog(page).getByLabel('Title').inputValue(), 'Order chairs');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await titleButton(page, 'Order chairs').waitFor();
  assert.equal((await fetchTask(env, id)).title, 'Water the plants');
});

browserTest('a task that loads slowly does not open over the dialog that was opened since', {}, async (env) => {
  const { id } = await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin);
  await titleButton(page, 'Water the plants').waitFor();
  const release = await holdRequests(page, (url) => url.pathname === `/tasks/${id}`);
  await titleButton(page, 'Water the plants').click();
  const account = await openAccount(page, 'grace');
  await account.getByLabel('New password').fill('half a pass');
  release();
  await page.unrouteAll({ behavior: 'wait' });
  await page.waitForLoadState('networkidle');
  await page.keyboard.type('word');
  assert.equal(await account.getByLabel('New password').inputValue(), 'half a password');
  assert.equal(await page.locator('#task-dialog').isVisible(), false);
});

browserTest('a task that is opened during a move of its own has the version after the move', {}, async (env) => {
  const { id } = await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin);
  await titleButton(page, 'Water the plants', 'To do').focus();
  const release = await holdRequests(page, (url) => url.pathname === `/tasks/${id}`, 'PATCH');
  await page.keyboard.press('Shift+ArrowRight');
  await page.keyboard.press('Enter');
  await page.waitForRequest((request) => request.url().endsWith('/tasks/summary'));
  release();
  await dialog(page).getByLabel('Title').fill('Water the flowers');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await titleButton(page, 'Water the flowers', 'In progress').waitFor();
  await page.unrouteAll({ behavior: 'wait' });
});

browserTest('a new version that loads slowly does not fill the dialog of another task', {}, async (env) => {
  env.expectProblem(/412/);
  const { id } = await env.server.createTask({ title: 'Water the plants' });
  await env.server.createTask({ title: 'Order chairs' });
  const page = await signIn(env, env.server.admin);
  await openTask(page, 'Water the plants');
  await dialog(page).getByLabel('Title').fill('Water the flowers');
  const token = await env.server.signIn(env.server.admin);
  await env.server.request(200, 'PATCH', `/tasks/${id}`, { token, body: { description: 'Not the cactus.' } });
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  const release = await holdRequests(page, (url) => url.pathname === `/tasks/${id}`);
  await dialog(page).getByRole('button', { name: 'Load the new version' }).click();
  await discard(page);
  await page.locator('#task-dialog form[aria-busy=true]').waitFor();
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'hidden' });
  await openTask(page, 'Order chairs');
  release();
  await page.unrouteAll({ behavior: 'wait' });
  await page.waitForLoadState('networkidle');
  assert.equal(await dialog(page).getByLabel('Title').inputValue(), 'Order chairs');
});

browserTest('a slow save neither blocks nor closes the next dialog', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  await page.getByRole('button', { name: 'New task' }).click();
  await dialog(page).getByLabel('Title').fill('first');
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  await page.route('**/tasks', async (route) => {
    if (route.request().postDataJSON().title === 'first') await released;
    await route.continue();
  });
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await dialog(page).getByRole('button', { name: 'Cancel' }).click();
  await discard(page);
  await page.getByRole('button', { name: 'New task' }).click();
  await dialog(page).getByLabel('Title').fill('second');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await titleButton(page, 'second', 'To do').waitFor();
  await page.getByRole('button', { name: 'New task' }).click();
  await dialog(page).getByLabel('Title').fill('third');
  const responded = page.waitForResponse('**/tasks');
  release();
  await responded;
  await page.waitForLoadState('networkidle');
  assert.equal(await dialog(page).getByLabel('Title').inputValue(), 'third');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await titleButton(page, 'third', 'To do').waitFor();
  await titleButton(page, 'first', 'To do').waitFor();
  await page.unrouteAll({ behavior: 'wait' });
});

browserTest('when two filters are applied shortly after each other, the later one decides', {}, async (env) => {
  const ada = await env.server.createUser('ada');
  await env.server.createTask({ title: 'Water the plants', assigned_user_id: ada.id });
  await env.server.createTask({ title: 'Order chairs' });
  const page = await signIn(env, env.server.admin);
  const assignee = page.getByRole('search', { name: 'Tasks' }).getByLabel('Assigned to');
  await titleButton(page, 'Order chairs').waitFor();
  await assignee.focus();
  const release = await holdRequests(page, (url) => url.pathname === '/users' && url.searchParams.get('q') === 'ada');
  await assignee.fill('ada');
  const requested = page.waitForRequest((request) => request.url().includes('q=ada'));
  await assignee.press('Enter');
  await requested;
  await assignee.fill('');
  await assignee.press('Enter');
  release();
  await page.unrouteAll({ behavior: 'wait' });
  await page.waitForLoadState('networkidle');
  await titleButton(page, 'Order chairs').waitFor();
  await titleButton(page, 'Water the plants').waitFor();
});

// ---- lists and filters --------------------------------------------------------------------------

browserTest('scrolling loads more tasks, each of them once and in order', {}, async (env) => {
  for (let i = 0; i < 65; i += 1) {
    await env.server.createTask({ title: `task ${String(i).padStart(2, '0')}`, status: i < 60 ? 'pending' : 'completed' });
  }
  const page = await signIn(env, env.server.admin);
  await page.getByLabel('Sort by').selectOption('title');
  await column(page, 'To do').getByText('60', { exact: true }).waitFor();
  const count = () => column(page, 'To do').locator('.card').count();
  assert.ok(await count() < 60);
  for (let before = 0; before < 60; before = await count()) {
    await column(page, 'To do').locator('.card').last().scrollIntoViewIfNeeded();
    await page.waitForFunction((before) =>
      document.querySelectorAll('[data-status=pending] .card').length > before, before);
  }
  const expected = Array.from({ length: 60 }, (_, i) => `task ${String(i).padStart(2, '0')}`);
  assert.deepEqual(await titles(page, 'To do'), expected);
  await column(page, 'To do').getByText('60', { exact: true }).waitFor();

  // A moved card is inserted at its place in the sort order.
  await card(page, 'task 63').getByRole('button', { name: /to In progress/ }).click();
  await card(page, 'task 63', 'In progress').getByRole('button', { name: /to To do/ }).click();
  await card(page, 'task 00').getByRole('button', { name: /to In progress/ }).click();
  await card(page, 'task 00', 'In progress').getByRole('button', { name: /to Done/ }).click();
  assert.deepEqual((await titles(page, 'Done')).slice(0, 2), ['task 00', 'task 60']);
  assert.deepEqual((await titles(page, 'To do')).slice(-2), ['task 59', 'task 63']);
  // A refresh that adds the task of another user loses no row.
  await waitForStatus(env, 64, 'pending');
  await waitForStatus(env, 1, 'completed');
  await env.server.createTask({ title: 'task 30 and a half' });
  await returnToTab(page);
  await card(page, 'task 30 and a half', 'To do').waitFor({ state: 'attached' });
  await column(page, 'To do').locator('.card').last().scrollIntoViewIfNeeded();
  await column(page, 'To do').getByText('61', { exact: true }).waitFor();
  await card(page, 'task 63', 'To do').waitFor();
  assert.deepEqual((await titles(page, 'To do')).slice(-2), ['task 59', 'task 63']);
});

browserTest('a search that takes several pages says so, goes on by itself and announces its end', {}, async (env) => {
  const task = await env.server.createTask({ title: 'needle' });
  const page = await signIn(env, env.server.admin);
  // Two pages without a match before the page with the task. The second waits until it is released.
  const pages = [
    { items: [], next_cursor: 'two' }, { items: [], next_cursor: 'three' }, { items: [task], next_cursor: null },
  ];
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  await page.route((url) => url.pathname === '/tasks' && url.searchParams.get('q') === 'needle', async (route) => {
    const query = new URL(route.request().url()).searchParams;
    if (query.get('status') !== 'pending') return route.continue();
    const index = [null, 'two', 'three'].indexOf(query.get('cursor'));
    if (index === 1) await released;
    return route.fulfill({ json: pages[index] });
  });
  await page.locator('#task-filters').getByLabel('Search').fill('needle');
  await column(page, 'To do').getByText('Searching for more…').waitFor();
  await column(page, 'To do').getByText('0+').waitFor();
  await waitForAnnouncement(page, 'To do: 0+, still searching');
  await column(page, 'Done').getByText('No tasks here.').waitFor();
  await checkAccessibility(page);
  release();
  await card(page, 'needle', 'To do').waitFor();
  await column(page, 'To do').getByText('1', { exact: true }).waitFor();
  assert.equal(await column(page, 'To do').getByText('Searching for more…').count(), 0);
  await waitForAnnouncement(page, 'To do: 1, search finished');
});

browserTest('search, filters and sort order decide which tasks are shown', {}, async (env) => {
  const [ada, joan] = [await env.server.createUser('ada'), await env.server.createUser('joan')];
  await env.server.createTask({ title: 'Water the plants', assigned_user_id: ada.id, deadline: '2001-01-01T00:00:00Z' });
  await env.server.createTask({ title: 'Order chairs', assigned_user_id: joan.id, deadline: '2031-01-01T00:00:00Z' });
  const soon = new Date(Date.now() + 3_600_000 * 5.5).toISOString();
  await env.server.createTask({ title: 'Call the plumber', description: 'about the PLANTS', deadline: soon });
  const page = await signIn(env, env.server.admin);
  const expectCards = async (...expected) => {
    await page.waitForFunction((expected) => expected === JSON.stringify(
      [...document.querySelectorAll('.infinite-list:not(.stale) .card-title')].map((title) => title.textContent)),
    JSON.stringify(expected));
  };
  await expectCards('Water the plants', 'Call the plumber', 'Order chairs');
  await card(page, 'Water the plants').getByText(/^Overdue by \d+ days$/).waitFor();
  await card(page, 'Call the plumber').getByText('Due in 5 hours').waitFor();
  await card(page, 'Order chairs').getByText('Due 1 Jan 2031').waitFor();

  const filters = page.getByRole('search', { name: 'Tasks' });
  await filters.getByLabel('Search').fill('plants');
  await expectCards('Water the plants', 'Call the plumber');
  await waitForAnnouncement(page, 'To do: 2, In progress: 0, Done: 0');
  await filters.getByLabel('Due').selectOption('past');
  await expectCards('Water the plants');
  await filters.getByLabel('Due').selectOption('week');
  await expectCards('Call the plumber');
  await filters.getByLabel('Due').selectOption('');
  await filters.getByLabel('Search').fill('');
  await filters.getByLabel('Sort by').selectOption('-created_at');
  await expectCards('Call the plumber', 'Order chairs', 'Water the plants');
  await filters.getByLabel('Assigned to').fill('joan');
  await filters.getByLabel('Assigned to').press('Enter');
  await expectCards('Order chairs');
  await filters.getByLabel('Assigned to').fill('no such name');
  await filters.getByLabel('Assigned to').press('Enter');
  await filters.getByText('No account has the name “no such name”.').waitFor();
  await checkAccessibility(page);

  await page.getByRole('button', { name: 'New task' }).click();
  await dialog(page).getByLabel('Title').fill('Unassigned');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await page.getByText('“Unassigned” is saved. It is further down the list, or the filters hide it.').waitFor();
  await expectCards('Order chairs');
});

browserTest('a completed task is not shown as overdue', {}, async (env) => {
  const deadline = '2001-01-01T12:00:00Z';
  await env.server.createTask({ title: 'Water the plants', status: 'completed', deadline });
  const page = await signIn(env, env.server.admin);
  await card(page, 'Water the plants', 'Done').getByText('Due 1 Jan 2001').waitFor();
  await card(page, 'Water the plants').getByRole('button', { name: /to In progress/ }).click();
  await card(page, 'Water the plants', 'In progress').getByText(/^Overdue by/).waitFor();
});

// ---- task dialog --------------------------------------------------------------------------------

browserTest('an employee changes only the status of a task, and an unchanged deadline keeps its seconds', {}, async (env) => {
  const ada = await env.server.createUser('ada');
  const { id } = await env.server.createTask({
    title: 'Water the plants', description: 'Not the cactus.', deadline: '2031-05-01T12:30:45Z', assigned_user_id: ada.id,
  });
  const page = await signIn(env, ada);
  await openTask(page, 'Water the plants');
  assert.equal(await dialog(page).getByLabel('Title').isEditable(), false);
  assert.equal(await dialog(page).getByLabel('Deadline').isEditable(), false);
  assert.equal(await dialog(page).getByLabel('Assigned to').isVisible(), false);
  assert.equal(await dialog(page).getByRole('button', { name: 'Delete' }).isVisible(), false);
  await checkAccessibility(page);
  await dialog(page).getByLabel('Status').selectOption('In progress');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await card(page, 'Water the plants', 'In progress').waitFor();

  const admin = await signIn(env, env.server.admin);
  await openTask(admin, 'Water the plants');
  await dialog(admin).getByLabel('Assigned to').fill('grace');
  await dialog(admin).getByRole('button', { name: 'Save' }).click();
  await card(admin, 'Water the plants').getByText('grace').waitFor();
  const task = await fetchTask(env, id);
  assert.equal(task.deadline, '2031-05-01T12:30:45.000000Z');
  assert.equal(task.status, 'in_progress');
});

browserTest('an admin assigns a task to “jo” although 100 other names contain it', { RATE_LIMITS: 'off' }, async (env) => {
  for (let i = 0; i < 100; i += 1) await env.server.signUp(`jo${i}`);
  await env.server.signUp('jo');
  const page = await signIn(env, env.server.admin);
  await page.getByRole('button', { name: 'New task' }).click();
  await dialog(page).getByLabel('Title').fill('Water the plants');
  await dialog(page).getByLabel('Assigned to').fill('jo');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await card(page, 'Water the plants').getByText('jo', { exact: true }).waitFor();
});

// ---- size, accessibility and screenshots --------------------------------------------------------

browserTest('the first load transfers less than 60 KB, and asks for nothing but the files of the board and the user', {}, async (env) => {
  const page = await env.openPage('about:blank');
  const network = await page.context().newCDPSession(page);
  await network.send('Network.enable');
  const loaded = new Map();
  network.on('Network.responseReceived', ({ requestId, response }) => loaded.set(requestId, { url: response.url, bytes: 0 }));
  network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => { loaded.get(requestId).bytes = encodedDataLength; });
  await page.goto(env.server.origin, { waitUntil: 'networkidle' });
  const files = [...loaded.values()];
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const paths = files.map(({ url }) => url.replace(env.server.origin, ''));
  assert.deepEqual(paths.filter((path) => !path.startsWith('/board/')), ['/', '/refresh']);
  assert.ok(files.length > 10 && files.every((file) => file.bytes > 0));
  assert.ok(bytes < 60_000, `${bytes} bytes`);
});

/** The fixed time of the screenshots. */
const NOW = '2026-12-01T09:00:00Z';

async function createSampleData(env) {
  const { server } = env;
  const [ada, joan] = [await server.createUser('ada'), await server.createUser('joan', 'manager')];
  await server.signUp('linus');
  await server.signUp('margaret');
  const tasks = [
    ['Water the plants', 'The ficus by the window and the fern in the kitchen. Not the cactus.', 'pending', '2026-11-28T12:00:00Z', ada],
    ['Order new chairs', null, 'pending', '2026-12-08T12:00:00Z', joan],
    ['Find a room for the workshop', 'Twelve people, a projector, and a window that opens', 'pending', '2026-12-18T12:00:00Z', ada],
    ['Plan the summer party', null, 'pending', null, null],
    ['Write the minutes of the meeting', 'Who said what, and who does what until when', 'in_progress', '2026-12-01T14:00:00Z', ada],
    ['Renew the certificate', 'It expires at the end of the month', 'in_progress', '2026-12-12T12:00:00Z', joan],
    ['Set up the projector', null, 'completed', '2026-11-20T12:00:00Z', ada],
    ['Book the train to Copenhagen', 'With a seat by the window', 'completed', null, joan],
  ];
  for (const [title, description, status, deadline, person] of tasks) {
    await server.createTask({ title, description, status, deadline, assigned_user_id: person?.id ?? null });
  }
  const token = await server.signIn(server.admin);
  await server.request(201, 'POST', '/invitations', { token, body: { role: 'manager', email: 'zoe@example.com' } });
  const apiToken = { name: 'Nightly report', scope: 'read', expires_in: 30 * 86_400, current_password: PASSWORD };
  await server.request(201, 'POST', '/me/tokens', { token, body: apiToken });
  return { admin: server.admin, manager: joan, employee: ada };
}

for (const { name, options } of APPEARANCES) {
  browserTest(`the views of all three roles have no accessibility violations: ${name}`, {}, async (env) => {
    for (const [role, person] of Object.entries(await createSampleData(env))) {
      const page = await signIn(env, person, { ...options, time: NOW });
      await card(page, 'Set up the projector', 'Done').or(card(page, 'Renew the certificate')).first().waitFor();
      await page.waitForLoadState('networkidle');
      await checkAccessibility(page);
      await env.screenshot(page, `board-${role}-${name}`);
      if (role !== 'admin') continue;
      await openTask(page, 'Water the plants');
      await checkAccessibility(page);
      await dialog(page).getByRole('button', { name: 'Cancel' }).click();
      await openPeople(page);
      await page.locator('#approved-accounts').getByText('joan', { exact: true }).waitFor();
      await page.getByText('zoe@example.com').waitFor();
      await page.waitForLoadState('networkidle');
      await checkAccessibility(page);
      await env.screenshot(page, `people-${name}`);
      const account = await openAccount(page, person.username);
      await account.getByText('This device').waitFor();
      await account.getByText('Nightly report').waitFor();
      await checkAccessibility(page);
      await env.screenshot(page, `account-${name}`);
    }
  });
}
