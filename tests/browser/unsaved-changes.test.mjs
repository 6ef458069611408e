// Nothing typed is lost: what leaves a form with changes asks first, and neither an ended session, a changed role, a lost
// connection nor a proxy takes the text away.

import assert from 'node:assert/strict';
import { browserTest, checkAccessibility, PASSWORD } from './harness.mjs';
import {
  card, dialog, discard, fetchTask, fillSignIn, holdPolls, holdRequests, keepEditing, openAccount, openPeople, openTask, PHONE,
  returnToTab, signIn, titleButton,
} from './steps.mjs';

// ---- steps and lookups --------------------------------------------------------------------------

const QUESTION = 'Discard your changes?';
const question = (page) => page.getByRole('alertdialog').filter({ hasText: QUESTION });
const hasQuestion = (page) => question(page).isVisible();

async function newTask(page, title) {
  await page.getByRole('button', { name: 'New task' }).click();
  await dialog(page).waitFor();
  if (title) await dialog(page).getByLabel('Title').fill(title);
}

const save = (page) => page.locator('#task-dialog').getByRole('button', { name: 'Save' }).click();
const titleField = (page) => page.locator('#task-dialog').getByLabel('Title');
const signInAgain = (page) => page.getByRole('dialog', { name: 'Sign in again' });

/** Reloads the page, and returns whether the browser asks first. Its question is answered with "Stay". */
async function reloadAsks(page) {
  let asked = false;
  const answer = (dialog) => {
    asked = dialog.type() === 'beforeunload';
    dialog.dismiss();
  };
  page.on('dialog', answer);
  await page.reload().catch(() => {}); // It fails as soon as the user stays.
  page.off('dialog', answer);
  return asked;
}

/** The number of tasks with this title. */
async function countTasks(env, title) {
  const token = await env.server.signIn(env.server.admin);
  const { items } = await env.server.request(200, 'GET', '/tasks', { token });
  return items.filter((task) => task.title === title).length;
}

/** Lets the server handle the next request of a method to a path, and loses its response. */
async function loseResponse(env, page, method, path) {
  env.expectProblem(/ERR_CONNECTION_RESET/);
  let isLost = false;
  await page.route((url) => url.pathname === path, async (route) => {
    if (isLost || route.request().method() !== method) return route.continue();
    isLost = true;
    await route.fetch();
    return route.abort('connectionreset');
  });
}

async function revokeSessions(env, user) {
  await env.server.request(204, 'POST', '/me/sessions/revoke-all', { token: await env.server.signIn(user) });
}

// ---- leaving ------------------------------------------------------------------------------------

browserTest('a dialog without changes closes at once, and one with changes asks first: Esc and Cancel', {}, async (env) => {
  await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin);
  for (const leave of [() => page.keyboard.press('Escape'), () => dialog(page).getByRole('button', { name: 'Cancel' }).click()]) {
    await openTask(page, 'Water the plants');
    await leave();
    await dialog(page).waitFor({ state: 'hidden' });
    assert.equal(await hasQuestion(page), false);

    await openTask(page, 'Water the plants');
    await titleField(page).fill('Water the flowers');
    await leave();
    await question(page).waitFor();
    await checkAccessibility(page);
    await keepEditing(page);
    await question(page).waitFor({ state: 'hidden' });
    assert.equal(await titleField(page).inputValue(), 'Water the flowers');
    // The value that the form was filled with is no change.
    await titleField(page).fill('Water the plants');
    await leave();
    await dialog(page).waitFor({ state: 'hidden' });

    await openTask(page, 'Water the plants');
    await titleField(page).fill('Water the flowers');
    await leave();
    await discard(page);
    await dialog(page).waitFor({ state: 'hidden' });
    await openTask(page, 'Water the plants');
    assert.equal(await titleField(page).inputValue(), 'Water the plants');
    await page.keyboard.press('Escape');
  }
  assert.deepEqual(env.requests.filter((request) => request.startsWith('PATCH')), []);
});

browserTest('no number of Esc keys closes a dialog with changes, wherever the focus is', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  await newTask(page, 'Water the plants');
  // Chromium lets a page prevent only one close request without an action of the user in between.
  for (let i = 0; i < 11; i += 1) await page.keyboard.press('Escape');
  await keepEditing(page);
  assert.equal(await titleField(page).inputValue(), 'Water the plants');
  await page.evaluate(() => document.activeElement.blur());
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'BODY');
  await page.keyboard.press('Escape');
  await question(page).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await question(page).waitFor();
  await page.keyboard.press('Escape');
  await question(page).waitFor({ state: 'hidden' });
  // A click beside the dialog does nothing.
  await page.mouse.click(5, 5);
  assert.equal(await hasQuestion(page), false);
  assert.equal(await titleField(page).inputValue(), 'Water the plants');
});

browserTest('Back and another hash ask before they discard changes, and the URL stays that of the view', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  await openPeople(page);
  await page.getByRole('link', { name: 'Tasks' }).click();
  await newTask(page);
  await page.goBack();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  assert.equal(await dialog(page).isVisible(), false);

  for (const leave of [() => page.goBack(), () => page.evaluate(() => { location.hash = '#people'; })]) {
    await page.getByRole('link', { name: 'Tasks' }).click();
    await newTask(page, 'Water the plants');
    for (let i = 0; i < 2; i += 1) {
      await leave();
      await question(page).waitFor();
      await keepEditing(page);
      await question(page).waitFor({ state: 'hidden' });
      await page.waitForURL(/#tasks$/);
      assert.equal(await titleField(page).inputValue(), 'Water the plants');
    }
    await leave();
    await discard(page);
    await page.getByRole('heading', { name: 'People' }).waitFor();
    assert.equal(await dialog(page).isVisible(), false);
  }

  const email = page.locator('#invite-form').getByLabel('E-mail');
  await email.fill('zoe@example.com');
  await page.getByRole('link', { name: 'Tasks' }).click();
  await keepEditing(page);
  await page.getByRole('heading', { name: 'People' }).waitFor();
  assert.equal(await email.inputValue(), 'zoe@example.com');
  await page.getByRole('link', { name: 'Tasks' }).click();
  await discard(page);
  await page.getByRole('heading', { name: 'Tasks' }).waitFor();
  await openPeople(page);
  assert.equal(await email.inputValue(), '');
});

/** Each form that is watched: how it is opened, one of its fields, and what is typed. */
const FORMS = [
  ['the task dialog', async (page) => { await newTask(page); return dialog(page).getByLabel('Description'); }],
  ['the profile form', async (page) => (await openAccount(page, 'grace')).getByLabel('New password')],
  ['the token form', async (page) => {
    const account = await openAccount(page, 'grace');
    await account.locator('summary').click();
    return account.locator('#token-form').getByLabel('Name');
  }],
  ['the invitation form', async (page) => { await openPeople(page); return page.locator('#invite-form').getByLabel('E-mail'); }],
];
const SIGNED_OUT_FORMS = [
  ['the sign-up form', async (page) => {
    await page.getByRole('button', { name: 'Create an account' }).click();
    return page.locator('#sign-up-form').getByLabel('Name');
  }],
  ['the form for a new password', async (page) => {
    await page.evaluate(() => { location.hash = `#reset=${'a'.repeat(43)}`; });
    return page.locator('#reset-form').getByLabel('New password');
  }],
];

for (const [name, open] of [...FORMS, ...SIGNED_OUT_FORMS]) {
  browserTest(`a reload, a closed tab and a one-time link ask while ${name} has changes, and not otherwise`, {}, async (env) => {
    const isSignedIn = FORMS.some(([other]) => other === name);
    const page = isSignedIn ? await signIn(env, env.server.admin) : await env.openPage('/');
    const field = await open(page);
    await field.pressSequentially('abc');
    assert.equal(await reloadAsks(page), true);
    const closing = page.waitForEvent('dialog');
    const closed = page.close({ runBeforeUnload: true });
    await (await closing).dismiss();
    await closed;
    assert.equal(await field.inputValue(), 'abc');

    await page.evaluate(() => { location.hash = `#invitation=${'b'.repeat(43)}`; });
    await question(page).waitFor();
    assert.doesNotMatch(page.url(), /invitation/);
    await keepEditing(page);
    await question(page).waitFor({ state: 'hidden' });
    assert.equal(await field.inputValue(), 'abc');
    assert.doesNotMatch(page.url(), /invitation/);
    await page.evaluate(() => { location.hash = `#invitation=${'b'.repeat(43)}`; });
    await discard(page);
    await page.getByRole('heading', { name: isSignedIn ? 'You are signed in already' : 'You are invited' }).waitFor();
    assert.equal(await reloadAsks(page), false);
  });
}

browserTest('closing the account dialog and signing out ask while a form has changes', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  const account = await openAccount(page, 'grace');
  await account.locator('summary').click();
  await account.locator('#token-form').getByLabel('Name').fill('Nightly report');
  await account.locator('summary').click();
  for (const leave of [
    () => account.getByRole('button', { name: 'Close' }).click(), () => page.keyboard.press('Escape'),
    () => account.getByRole('button', { name: 'Sign out everywhere' }).click(),
  ]) {
    await leave();
    await question(page).waitFor();
    await keepEditing(page);
    await question(page).waitFor({ state: 'hidden' });
  }
  await page.keyboard.press('Escape');
  await discard(page);
  await account.waitFor({ state: 'hidden' });

  await openPeople(page);
  const email = page.locator('#invite-form').getByLabel('E-mail');
  await email.fill('zoe@example.com');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await keepEditing(page);
  assert.equal(await email.inputValue(), 'zoe@example.com');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await discard(page);
  await page.getByText('You are signed out.').waitFor();
});

browserTest('a saved profile asks before it closes the dialog with a half typed token', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  const account = await openAccount(page, 'grace');
  await account.locator('summary').click();
  const name = account.locator('#token-form').getByLabel('Name');
  await name.fill('Nightly report');
  const profile = account.locator('#profile-form');
  await profile.getByLabel('E-mail').fill('hopper@example.com');
  await profile.getByLabel('Current password').fill(PASSWORD);
  await profile.getByRole('button', { name: 'Save' }).click();
  await keepEditing(page);
  await question(page).waitFor({ state: 'hidden' });
  assert.equal(await name.inputValue(), 'Nightly report');
  assert.equal(await profile.getByLabel('E-mail').inputValue(), 'hopper@example.com');
  assert.equal(await profile.getByLabel('Current password').inputValue(), '');
  await page.keyboard.press('Escape');
  await discard(page);
  await account.waitFor({ state: 'hidden' });
});

browserTest('a sign-up form that waits behind the sign-in form keeps its text', {}, async (env) => {
  const page = await env.openPage('/');
  await page.getByRole('button', { name: 'Create an account' }).click();
  const name = page.locator('#sign-up-form').getByLabel('Name');
  await name.pressSequentially('ada');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.locator('#sign-in-form').waitFor();
  assert.equal(await reloadAsks(page), true);
  await page.getByRole('button', { name: 'Create an account' }).click();
  assert.equal(await name.inputValue(), 'ada');
});

browserTest('a description with CRLF is no change, and saving an unchanged task sends nothing', {}, async (env) => {
  const { id } = await env.server.createTask({ title: 'Water the plants', description: 'The fern.\r\nThe ficus.\r\n', deadline: '2031-05-01T12:30:45Z' });
  const page = await signIn(env, env.server.admin);
  await openTask(page, 'Water the plants');
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'hidden' });
  await openTask(page, 'Water the plants');
  await save(page);
  await dialog(page).waitFor({ state: 'hidden' });
  assert.deepEqual(env.requests.filter((request) => request.startsWith('PATCH')), []);
  await openTask(page, 'Water the plants');
  await titleField(page).fill('Water the flowers');
  await save(page);
  await card(page, 'Water the flowers').waitFor();
  assert.equal((await fetchTask(env, id)).description, 'The fern.\r\nThe ficus.\r\n');
});

// ---- the end of the session ---------------------------------------------------------------------

browserTest('a save in an ended session asks to sign in again over the dialog, and then goes on', {}, async (env) => {
  env.expectProblem(/401/);
  const page = await signIn(env, env.server.admin);
  await newTask(page, 'Water the plants');
  const releasePolls = await holdPolls(page);
  await revokeSessions(env, env.server.admin);
  await save(page);
  const again = signInAgain(page);
  await again.getByText('Your session has ended. Please sign in again.').waitFor();
  await checkAccessibility(page);
  assert.equal(await again.getByLabel('E-mail').inputValue(), env.server.admin.email);
  for (let i = 0; i < 3; i += 1) await page.keyboard.press('Escape');
  await again.getByLabel('Password').fill('not this one');
  await page.keyboard.press('Enter');
  await again.getByText('The e-mail or password is wrong.').waitFor();
  assert.equal(await titleField(page).inputValue(), 'Water the plants');
  releasePolls();
  await again.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await card(page, 'Water the plants', 'To do').waitFor();
  assert.equal(await again.isVisible(), false);
  assert.equal(await countTasks(env, 'Water the plants'), 1);
});

browserTest('a dialog without changes stays open when its session ends, and another account leaves the page', {}, async (env) => {
  env.expectProblem(/401/);
  const joan = await env.server.createUser('joan', 'manager');
  await env.server.createTask({ title: 'Water the plants' });
  const page = await signIn(env, env.server.admin, PHONE);
  await openTask(page, 'Water the plants');
  await revokeSessions(env, env.server.admin);
  await returnToTab(page);
  const again = signInAgain(page);
  await again.waitFor();
  await checkAccessibility(page);
  await again.getByLabel('Password').fill(PASSWORD);
  await again.getByRole('button', { name: 'Sign in', exact: true }).click();
  await again.waitFor({ state: 'hidden' });

  await titleField(page).fill('Water the flowers');
  await revokeSessions(env, env.server.admin);
  await returnToTab(page);
  await again.getByRole('button', { name: 'Sign in as another account' }).click();
  await question(page).waitFor();
  await keepEditing(page);
  await again.waitFor();
  await again.getByRole('button', { name: 'Sign in as another account' }).click();
  await discard(page);
  await page.locator('#sign-in-form').waitFor();
  assert.doesNotMatch(await page.evaluate(() => document.documentElement.outerHTML), /plants|flowers|grace/i);
  await fillSignIn(page, joan.email, PASSWORD);
  await titleButton(page, 'Water the plants').waitFor();
});

browserTest('a user with a new e-mail and password signs in again with them, and another account is refused', {}, async (env) => {
  env.expectProblem(/401/);
  const joan = await env.server.createUser('joan', 'manager');
  const bob = await env.server.createUser('bob', 'manager');
  const page = await signIn(env, bob);
  await newTask(page, 'Water the plants');
  const releasePolls = await holdPolls(page);
  const body = { email: 'robert@example.com', password: 'another horse battery', current_password: PASSWORD };
  await env.server.request(200, 'PATCH', '/me', { token: await env.server.signIn(bob), body });
  await save(page);
  releasePolls();
  const again = signInAgain(page);
  const trySignIn = async (email, password) => {
    await again.getByLabel('E-mail').fill(email);
    await again.getByLabel('Password').fill(password);
    await page.keyboard.press('Enter');
  };
  await trySignIn(joan.email, PASSWORD);
  await keepEditing(page);
  await again.getByText('That is another account. Sign in as bob to keep what you have open.').waitFor();
  await trySignIn(body.email, body.password);
  await card(page, 'Water the plants', 'To do').waitFor();
  const { items } = await env.server.request(200, 'GET', '/tasks/1/history', { token: await env.server.signIn(env.server.admin) });
  assert.equal(items[0].actor.username, 'bob');
});

browserTest('a session that ends during the question about changes asks to sign in above it', {}, async (env) => {
  env.expectProblem(/401/);
  const page = await signIn(env, env.server.admin);
  await newTask(page, 'Water the plants');
  await page.keyboard.press('Escape');
  await question(page).waitFor();
  await revokeSessions(env, env.server.admin);
  await signInAgain(page).getByRole('button', { name: 'Sign in as another account' }).click();
  await question(page).nth(1).waitFor();
  await page.getByRole('alertdialog').last().getByRole('button', { name: 'Discard' }).click();
  await page.locator('#sign-in-form').waitFor();
});

browserTest('the invitation form keeps its text when the session ends', {}, async (env) => {
  env.expectProblem(/401/);
  const page = await signIn(env, env.server.admin);
  await openPeople(page);
  await page.locator('#invite-form').getByLabel('E-mail').fill('zoe@example.com');
  const releasePolls = await holdPolls(page);
  await revokeSessions(env, env.server.admin);
  await page.locator('#invite-form').getByRole('button', { name: 'Invite' }).click();
  await signInAgain(page).getByLabel('Password').fill(PASSWORD);
  releasePolls();
  await page.keyboard.press('Enter');
  await page.locator('#secret-dialog').getByText(/the person with the address zoe@example.com/).waitFor();
});

// ---- another role or approval -------------------------------------------------------------------

browserTest('a manager who becomes an employee keeps the dialog and its text, and the page changes after it', {}, async (env) => {
  env.expectProblem(/403/);
  const ada = await env.server.createUser('ada', 'manager');
  const { id } = await env.server.createTask({ title: 'Water the plants', assigned_user_id: ada.id });
  const page = await signIn(env, ada);
  await openTask(page, 'Water the plants');
  await dialog(page).getByLabel('Description').fill('Not the cactus.');
  await env.server.updateUser(ada, { role: 'employee' });
  await returnToTab(page);
  await dialog(page).getByText('Your role is now employee. Copy what you have typed if you cannot save it.').waitFor();
  await checkAccessibility(page);
  assert.equal(await dialog(page).getByRole('button', { name: 'Delete' }).isVisible(), false);
  assert.equal(await dialog(page).getByLabel('Title').isEditable(), false);
  await save(page);
  await dialog(page).getByText('Nothing was saved. What you typed is still here, so that you can copy it.').waitFor();
  assert.equal(await dialog(page).getByLabel('Description').inputValue(), 'Not the cactus.');
  assert.equal(await page.locator('#tasks-title').textContent(), 'Tasks');
  assert.equal((await fetchTask(env, id)).description, null);
  await dialog(page).getByRole('button', { name: 'Cancel' }).click();
  await discard(page);
  await page.getByRole('heading', { name: 'My tasks' }).waitFor();
  await page.locator('.notification').getByText('Your role is now employee.').waitFor();
});

browserTest('an employee who becomes a manager can change the task that is open', {}, async (env) => {
  const ada = await env.server.createUser('ada');
  await env.server.createTask({ title: 'Water the plants', assigned_user_id: ada.id });
  const page = await signIn(env, ada);
  await openTask(page, 'Water the plants');
  await env.server.updateUser(ada, { role: 'manager' });
  await returnToTab(page);
  await dialog(page).getByText('Your role is now manager.').waitFor();
  await titleField(page).fill('Water the flowers');
  await save(page);
  await card(page, 'Water the flowers').waitFor();
  await page.getByRole('button', { name: 'New task' }).waitFor();
});

browserTest('a manager who is an employee for a moment can go on with the task that is open', {}, async (env) => {
  const ada = await env.server.createUser('ada', 'manager');
  await env.server.createTask({ title: 'Water the plants', assigned_user_id: ada.id });
  const page = await signIn(env, ada);
  await openTask(page, 'Water the plants');
  await titleField(page).fill('Water the flowers');
  await env.server.updateUser(ada, { role: 'employee' });
  await dialog(page).getByText('Your role is now employee.').waitFor();
  assert.equal(await titleField(page).isEditable(), false);
  await env.server.updateUser(ada, { role: 'manager' });
  await dialog(page).getByText('Your role is now manager.').waitFor();
  assert.equal(await titleField(page).inputValue(), 'Water the flowers');
  await save(page);
  await card(page, 'Water the flowers').waitFor();
});

browserTest('a manager whose approval is withdrawn keeps the text, and then waits for approval', {}, async (env) => {
  env.expectProblem(/401/);
  env.expectProblem(/403/);
  const ada = await env.server.createUser('ada', 'manager');
  const page = await signIn(env, ada);
  await newTask(page, 'Water the plants');
  const releasePolls = await holdPolls(page);
  await env.server.updateUser(ada, { is_approved: false });
  await save(page);
  await signInAgain(page).getByLabel('Password').fill(PASSWORD);
  releasePolls();
  await page.keyboard.press('Enter');
  await dialog(page).getByText(/waiting for approval by an administrator\. Nothing was saved\./).waitFor();
  assert.equal(await titleField(page).inputValue(), 'Water the plants');
  await dialog(page).getByRole('button', { name: 'Cancel' }).click();
  await discard(page);
  await page.getByRole('heading', { name: 'Waiting for approval' }).first().waitFor();
});

browserTest('an admin who becomes an employee keeps the invitation form until it is left', {}, async (env) => {
  env.expectProblem(/403/);
  const joan = await env.server.createUser('joan', 'admin');
  const page = await signIn(env, joan);
  await openPeople(page);
  const email = page.locator('#invite-form').getByLabel('E-mail');
  await email.fill('zoe@example.com');
  await env.server.updateUser(joan, { role: 'employee' });
  await page.locator('#invite-form').getByRole('button', { name: 'Invite' }).click();
  await page.locator('#invite-form').getByText('What you typed is still here, so that you can copy it.').waitFor();
  await page.locator('.notification').getByText('Your role is now employee.').waitFor();
  assert.equal(await email.inputValue(), 'zoe@example.com');
  await page.getByRole('link', { name: 'Tasks' }).click();
  await discard(page);
  await page.getByRole('heading', { name: 'My tasks' }).waitFor();
  assert.equal(await page.getByRole('link', { name: /People/ }).isVisible(), false);
});

// ---- a lost connection --------------------------------------------------------------------------

browserTest('a save without a connection says so in the dialog, and is sent when the server can be reached', {}, async (env) => {
  env.expectProblem(/ERR_INTERNET_DISCONNECTED/);
  const page = await signIn(env, env.server.admin);
  await newTask(page, 'Water the plants');
  await page.context().setOffline(true);
  await save(page);
  await dialog(page).getByText('The server cannot be reached. What you typed is kept, and is sent as soon as the server answers.').waitFor();
  await dialog(page).getByText('The server cannot be reached. What you see may be out of date.').waitFor();
  await checkAccessibility(page);
  await page.context().setOffline(false);
  await card(page, 'Water the plants', 'To do').waitFor();
  assert.equal(await countTasks(env, 'Water the plants'), 1);

  // The user declines, goes on editing, or cancels.
  await newTask(page, 'Order chairs');
  await page.context().setOffline(true);
  const waiting = dialog(page).getByText('What you typed is kept');
  await save(page);
  await waiting.waitFor();
  await dialog(page).getByRole('button', { name: 'Do not send it' }).click();
  await dialog(page).locator('.form-error').getByText('The server cannot be reached.').waitFor();
  await save(page);
  await waiting.waitFor();
  await titleField(page).press('End');
  await titleField(page).pressSequentially('!');
  await waiting.waitFor({ state: 'hidden' });
  await save(page);
  await waiting.waitFor();
  await dialog(page).getByRole('button', { name: 'Cancel' }).click();
  await discard(page);
  await dialog(page).waitFor({ state: 'hidden' });
  await page.context().setOffline(false);
  await page.getByText('What you see may be out of date.').waitFor({ state: 'hidden' });
  await returnToTab(page);
  await page.waitForLoadState('networkidle');
  assert.equal(await countTasks(env, 'Order chairs') + await countTasks(env, 'Order chairs!'), 0);
});

browserTest('a save whose response is lost takes effect once: a new task, a change and a deletion', {}, async (env) => {
  env.expectProblem(/412/);
  env.expectProblem(/404/);
  const page = await signIn(env, env.server.admin);
  await newTask(page, 'Water the plants');
  await loseResponse(env, page, 'POST', '/tasks');
  await save(page);
  await card(page, 'Water the plants', 'To do').waitFor();
  assert.equal(await countTasks(env, 'Water the plants'), 1);

  await openTask(page, 'Water the plants');
  await titleField(page).fill('Water the flowers');
  await dialog(page).getByLabel('Deadline').fill('2031-05-01');
  await dialog(page).getByLabel('Time').fill('12:30');
  await loseResponse(env, page, 'PATCH', '/tasks/1');
  await save(page);
  await card(page, 'Water the flowers', 'To do').waitFor();

  // The server stores text in a form of its own: without white space at the ends of a title, and as NFC.
  await openTask(page, 'Water the flowers');
  await titleField(page).fill(' Water\tthe cafe\u0301 ');
  await dialog(page).getByLabel('Description').fill('At the cafe\u0301.');
  await loseResponse(env, page, 'PATCH', '/tasks/1');
  await save(page);
  await card(page, 'Water the café', 'To do').waitFor();

  await openTask(page, 'Water the café');
  await loseResponse(env, page, 'DELETE', '/tasks/1');
  await dialog(page).getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await dialog(page).waitFor({ state: 'hidden' });
  await card(page, 'Water the café').waitFor({ state: 'detached' });
});

browserTest('what is entered while a save is under way is refused at once, in each kind of field', {}, async (env) => {
  const { id } = await env.server.createTask({ title: 'Water the plants', deadline: '2031-05-01T10:00:00Z' });
  const page = await signIn(env, env.server.admin);
  await openTask(page, 'Water the plants');
  await titleField(page).fill('Water the flowers');
  const release = await holdRequests(page, (url) => url.pathname === `/tasks/${id}`, 'PATCH');
  await save(page);
  await page.locator('#task-dialog form[aria-busy=true]').waitFor();
  const entries = { title: 'Nothing', description: 'More', status: 'completed', deadline: '12242032', time: '1100AM' };
  for (const [name, text] of Object.entries(entries)) {
    const field = page.locator(`#task-dialog [name=${name}]`);
    const before = await field.inputValue();
    if (name === 'status') await field.selectOption(text);
    else await field.focus().then(() => page.keyboard.type(text));
    assert.equal(await field.inputValue(), before, name);
  }
  release();
  await dialog(page).waitFor({ state: 'hidden' });
  const { title, status, deadline } = await fetchTask(env, id);
  assert.deepEqual([title, status, deadline], ['Water the flowers', 'pending', '2031-05-01T10:00:00.000000Z']);
  await page.unrouteAll({ behavior: 'wait' });
});

browserTest('the other forms are sent again after a lost response, too', {}, async (env) => {
  env.expectProblem(/403/);
  const page = await signIn(env, env.server.admin);
  let account = await openAccount(page, 'grace');
  await account.getByLabel('New password').fill('another horse battery');
  await account.locator('#profile-form').getByLabel('Current password').fill(PASSWORD);
  await loseResponse(env, page, 'PATCH', '/me');
  await account.locator('#profile-form').getByRole('button', { name: 'Save' }).click();
  await account.waitFor({ state: 'hidden' });
  await env.server.signIn({ ...env.server.admin, password: 'another horse battery' });

  account = await openAccount(page, 'grace');
  await account.locator('summary').click();
  await account.locator('#token-form').getByLabel('Name').fill('Nightly report');
  await account.locator('#token-form').getByLabel('Current password').fill('another horse battery');
  await loseResponse(env, page, 'POST', '/me/tokens');
  await account.getByRole('button', { name: 'Make the token' }).click();
  await page.locator('#secret-dialog').getByRole('button', { name: 'Close' }).click();
  // The token whose response was lost can be revoked.
  await account.locator('#tokens').getByText('Nightly report').nth(1).waitFor();
  await page.keyboard.press('Escape');

  await openPeople(page);
  await page.locator('#invite-form').getByLabel('E-mail').fill('zoe@example.com');
  await loseResponse(env, page, 'POST', '/invitations');
  await page.locator('#invite-form').getByRole('button', { name: 'Invite' }).click();
  await page.locator('#secret-dialog').getByRole('button', { name: 'Close' }).click();
});

browserTest('a sign-up and a new password are sent again after a lost response', {}, async (env) => {
  env.expectProblem(/410/);
  const page = await env.openPage('/');
  await page.getByRole('button', { name: 'Create an account' }).click();
  const form = page.locator('#sign-up-form');
  await form.getByLabel('Name').fill('ada');
  await form.getByLabel('E-mail').fill('ada@example.com');
  await form.getByLabel('Password').fill(PASSWORD);
  await loseResponse(env, page, 'POST', '/signup');
  await form.getByRole('button', { name: 'Sign up' }).click();
  await page.getByRole('heading', { name: 'Waiting for approval' }).first().waitFor();

  await page.close();
  const token = await env.server.signIn(env.server.admin);
  const link = await env.server.request(201, 'POST', '/users/2/password-reset', { token });
  const other = await env.openPage(`/#reset=${link.token}`);
  await other.locator('#reset-form').getByLabel('New password').fill('another horse battery');
  await loseResponse(env, other, 'POST', '/password-reset');
  await other.getByRole('button', { name: 'Set the password' }).click();
  await other.getByText('sign in with your new password').waitFor();
  await env.server.signIn({ email: 'ada@example.com', password: 'another horse battery' });
});

// ---- a proxy that answers in place of the server ------------------------------------------------

const PROXY_RESPONSES = {
  'redirects to its sign-in page': { status: 302, headers: { Location: 'https://sso.example/' } },
  'shows its sign-in page': { status: 200, contentType: 'text/html', body: '<h1>Sign in</h1>' },
  'responds with 401': { status: 401, contentType: 'text/html', body: '<h1>Sign in</h1>' },
  'responds with 403 in a JSON of its own': { status: 403, json: { error: 'forbidden' } },
};

for (const [name, response] of Object.entries(PROXY_RESPONSES)) {
  browserTest(`a proxy that ${name} leads to a message in words, and ends no session`, {}, async (env) => {
    if (response.status > 400) env.expectProblem(new RegExp(`${response.status}`));
    const page = await signIn(env, env.server.admin);
    await newTask(page, 'Water the plants');
    await page.route((url) => /^\/(tasks|me|refresh|healthz)/.test(url.pathname), (route) => route.fulfill(response));
    await save(page);
    const banner = dialog(page).locator('#connection-banner');
    await banner.getByText('A proxy in front of this server asks you to sign in.').waitFor();
    await checkAccessibility(page);
    await returnToTab(page);
    assert.equal(await titleField(page).inputValue(), 'Water the plants');
    const asked = page.waitForEvent('dialog');
    const clicked = banner.getByRole('button', { name: 'Reload' }).click();
    await (await asked).dismiss();
    await clicked;
    await page.unrouteAll({ behavior: 'wait' });
    await card(page, 'Water the plants', 'To do').waitFor();
    await page.locator('#connection-banner').waitFor({ state: 'hidden' });
    assert.equal(await countTasks(env, 'Water the plants'), 1);
  });
}
