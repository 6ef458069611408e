// Accounts in the browser: the first admin, invitations, password resets, sessions, tokens for scripts and device
// tokens, and the decisions of admins about accounts.

import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { browserTest, checkAccessibility, PASSWORD } from './harness.mjs';
import {
  APPEARANCES, approve, card, fillSignIn, holdRequests, openAccount, openPeople, PHONE, returnToTab, signIn,
  waitForAnnouncement,
} from './steps.mjs';

const NEW_PASSWORD = 'another horse battery';
/** A token of the right form that belongs to no link. */
const UNKNOWN_TOKEN = 'a'.repeat(43);

// ---- steps and lookups --------------------------------------------------------------------------

/** Reads the secret that is shown once, and closes its dialog. */
async function readSecret(page) {
  const secretDialog = page.locator('#secret-dialog');
  await secretDialog.waitFor();
  const secret = await secretDialog.locator('#secret').inputValue();
  await secretDialog.getByRole('button', { name: 'Close' }).click();
  await page.waitForFunction(() => document.getElementById('secret').value === '');
  return secret;
}

/** Makes an invitation on the people view, and returns its link. */
async function invite(page, role, email = '') {
  await openPeople(page);
  const form = page.locator('#invite-form');
  await form.getByLabel('Role').selectOption(role);
  await form.getByLabel('E-mail').fill(email);
  await form.getByRole('button', { name: 'Invite' }).click();
  return readSecret(page);
}

/** Makes a link on the people view with which a user sets a new password, and returns it. */
async function makeResetLink(page, name) {
  await openPeople(page);
  await page.getByRole('button', { name: `More: ${name}`, exact: true }).click();
  await page.getByRole('button', { name: `Reset password: ${name}`, exact: true }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Make a link' }).click();
  return readSecret(page);
}

async function submitSignUp(page, name) {
  const form = page.locator('#sign-up-form');
  await form.getByLabel('Name').fill(name);
  await form.getByLabel('E-mail').fill(`${name}@example.com`);
  await form.getByLabel('Password').fill(PASSWORD);
  await form.getByRole('button', { name: 'Sign up' }).click();
}

/** Opens an invitation, and signs up with it. */
async function acceptInvitation(env, link, name) {
  const page = await env.openPage(link);
  await page.getByRole('heading', { name: 'You are invited' }).waitFor();
  await submitSignUp(page, name);
  return page;
}

async function submitReset(page, password) {
  await page.locator('#reset-form').getByLabel('New password').fill(password);
  await page.locator('#reset-form').getByRole('button', { name: 'Set the password' }).click();
}

const entry = (root, text) => root.getByRole('listitem').filter({ hasText: text });

/** What a page shows and stores of its URL and in the browser. */
const tracesOf = (page) => page.evaluate(() => [
  location.href, JSON.stringify(history.state), JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }),
  document.cookie,
].join('\n'));

const tokenOf = (link) => link.split('=')[1];

// ---- one-time links -----------------------------------------------------------------------------

browserTest('with only a browser: the first admin from the log, a second admin, a manager, and a reset password', null, async (env) => {
  await env.start({ ADMIN_USERNAME: undefined, ADMIN_EMAIL: undefined, ADMIN_PASSWORD: undefined });
  const [, firstLink] = await env.server.waitForLog(/(http:\S+#invitation=[\w-]{43})/);
  const admin = await acceptInvitation(env, firstLink, 'grace');
  await admin.getByRole('heading', { name: 'Tasks' }).waitFor();
  await admin.getByRole('link', { name: /People/ }).waitFor();

  const secondAdmin = await acceptInvitation(env, await invite(admin, 'admin'), 'joan');
  await secondAdmin.getByRole('link', { name: /People/ }).waitFor();
  const manager = await acceptInvitation(env, await invite(secondAdmin, 'manager', 'ada@example.com'), 'ada');
  await manager.getByRole('button', { name: 'New task' }).waitFor();
  assert.equal(await manager.getByRole('link', { name: /People/ }).isVisible(), false);
  await returnToTab(admin);
  await admin.locator('#approved-accounts').getByText('ada', { exact: true }).waitFor();
  await admin.getByText('No invitation is open.').waitFor();

  env.expectProblem(/401/); // The manager's page after the reset has ended its session.
  const page = await env.openPage(await makeResetLink(admin, 'ada'));
  await page.getByRole('heading', { name: 'Set a new password' }).waitFor();
  await checkAccessibility(page);
  await submitReset(page, NEW_PASSWORD);
  await page.getByText('Your new password is set. Sign in with it.').waitFor();
  await fillSignIn(page, 'ada@example.com', NEW_PASSWORD);
  await page.getByRole('button', { name: 'New task' }).waitFor();
  await manager.getByText('Your session has ended. Please sign in again.').waitFor();
});

browserTest('the token of a link leaves the address bar at once, is stored nowhere, and a reload forgets it', {}, async (env) => {
  for (const kind of ['invitation', 'reset']) {
    const page = await env.openPage(`/#${kind}=${UNKNOWN_TOKEN}`);
    await page.getByRole('heading', { name: kind === 'reset' ? 'Set a new password' : 'You are invited' }).waitFor();
    await checkAccessibility(page);
    assert.doesNotMatch(await tracesOf(page), new RegExp(`${kind}|${UNKNOWN_TOKEN}`));
    await page.reload();
    await page.locator('#sign-in-form').waitFor();
  }
  assert.deepEqual(env.requests.filter((request) => request.includes(UNKNOWN_TOKEN)), []);
});

browserTest('a link that was used, was withdrawn, is replaced or has been cut says whom to ask', {}, async (env) => {
  env.expectProblem(/410/);
  const { server } = env;
  await server.createUser('ada');
  const admin = await signIn(env, server.admin);
  const used = await invite(admin, 'employee');
  await acceptInvitation(env, used, 'joan').then((page) => page.getByRole('heading', { name: 'My tasks' }).waitFor());
  const withdrawn = await invite(admin, 'manager', 'zoe@example.com');
  await entry(admin.locator('#invitations'), 'zoe@example.com').getByRole('button', { name: /^Withdraw/ }).click();
  await waitForAnnouncement(admin, 'The invitation is withdrawn.');
  await returnToTab(admin);
  await admin.getByText('No invitation is open.').waitFor();
  const replaced = await makeResetLink(admin, 'ada');
  await admin.getByRole('button', { name: 'More: ada' }).click();
  const usedReset = await makeResetLink(admin, 'ada');
  await server.request(204, 'POST', '/password-reset', { body: { token: tokenOf(usedReset), password: NEW_PASSWORD } });

  for (const link of [used, withdrawn, replaced, usedReset, `${env.server.origin}/#invitation=${UNKNOWN_TOKEN}`]) {
    const page = await env.openPage(link);
    if (link.includes('#reset=')) await submitReset(page, PASSWORD);
    else await submitSignUp(page, 'zoe');
    await page.getByRole('heading', { name: 'This link does not work' }).waitFor();
    await page.getByText('It was used already, was withdrawn or has expired.').waitFor();
    await page.getByText('Ask an administrator of this task board for a new link.').waitFor();
    await checkAccessibility(page);
    await page.getByRole('button', { name: 'Go to the sign-in form' }).click();
    await page.locator('#sign-in-form').waitFor();
    await page.close();
  }
  const cut = await env.openPage(withdrawn.slice(0, -1));
  await cut.getByText('A part of it is missing. Copy the whole link and open it again.').waitFor();
});

browserTest('a link that has expired says whom to ask, and is no longer in the list', { LINKS_EXPIRE: '2s' }, async (env) => {
  env.expectProblem(/410/);
  const admin = await signIn(env, env.server.admin);
  const link = await invite(admin, 'employee');
  const page = await env.openPage(link);
  await setTimeout(2100); // Longer than the link is valid.
  await submitSignUp(page, 'ada');
  await page.getByRole('heading', { name: 'This link does not work' }).waitFor();
  await returnToTab(admin);
  await admin.getByText('No invitation is open.').waitFor();
});

browserTest('an invitation for an e-mail address refuses another one at its field, and can be used afterwards', {}, async (env) => {
  env.expectProblem(/422/);
  const admin = await signIn(env, env.server.admin);
  const page = await env.openPage(await invite(admin, 'employee', 'zoe@example.com'));
  await submitSignUp(page, 'ada');
  const email = page.locator('#sign-up-form').getByLabel('E-mail');
  await page.getByText('Please check the marked fields.').waitFor();
  assert.equal(await email.getAttribute('aria-invalid'), 'true');
  await submitSignUp(page, 'zoe');
  await page.getByRole('heading', { name: 'My tasks' }).waitFor();
});

browserTest('an invitation with an invalid e-mail address shows the error at its field', {}, async (env) => {
  env.expectProblem(/422/);
  const page = await signIn(env, env.server.admin);
  await openPeople(page);
  await page.locator('#invite-form').getByLabel('E-mail').fill('nonsense');
  await page.locator('#invite-form').getByRole('button', { name: 'Invite' }).click();
  await page.locator('#invite-form .field-error').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.name), 'email');
  await page.getByText('No invitation is open.').waitFor();
});

browserTest('a user who is signed in and opens a link is asked before they are signed out', {}, async (env) => {
  const admin = await signIn(env, env.server.admin);
  const link = await invite(admin, 'employee');
  await admin.goto(link); // Only the fragment differs, so the page stays.
  await admin.getByRole('heading', { name: 'You are signed in already' }).waitFor();
  await admin.getByText('You are signed in as grace.').waitFor();
  assert.doesNotMatch(await tracesOf(admin), new RegExp(tokenOf(link)));
  await checkAccessibility(admin);
  await admin.getByRole('button', { name: 'Stay signed in' }).click();
  await admin.getByRole('heading', { name: 'People' }).waitFor();

  await admin.goto(link);
  await admin.getByRole('button', { name: 'Sign out and open the link' }).click();
  await admin.getByRole('heading', { name: 'You are invited' }).waitFor();
  assert.doesNotMatch(await tracesOf(admin), new RegExp(tokenOf(link)));
  await submitSignUp(admin, 'ada');
  await admin.getByRole('heading', { name: 'My tasks' }).waitFor();
  const token = await env.server.signIn(env.server.admin);
  const { items } = await env.server.request(200, 'GET', '/me/sessions', { token });
  assert.deepEqual(items.filter(({ user_agent: agent }) => agent.includes('Chrome')), []);
});

browserTest('a link is copied to the clipboard, or selected where the page may not write to it', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  const makeInvitation = () => page.locator('#invite-form').getByRole('button', { name: 'Invite' }).click();
  const copy = () => page.locator('#secret-dialog').getByRole('button', { name: 'Copy' }).click();
  await openPeople(page);
  await makeInvitation();
  await checkAccessibility(page);
  await copy();
  await page.locator('#secret-copied').getByText('Copied.').waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await readSecret(page));

  // A page that was loaded without TLS has no clipboard.
  await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }) && null);
  await makeInvitation();
  await copy();
  await page.getByText('It is selected: copy it with Ctrl+C or ⌘C.').first().waitFor();
  const selected = await page.evaluate(() => {
    const { value, selectionStart, selectionEnd } = document.activeElement;
    return value.slice(selectionStart, selectionEnd);
  });
  assert.match(selected, new RegExp(`^${env.server.origin}/#invitation=[\\w-]{43}$`));
});

browserTest('with closed sign-ups only an invitation opens the sign-up form', { SIGNUPS: 'closed' }, async (env) => {
  const page = await env.openPage('/');
  await page.getByText('You need an invitation. Ask an administrator for one.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Create an account' }).isVisible(), false);
  await checkAccessibility(page);
  const admin = await signIn(env, env.server.admin);
  const invited = await acceptInvitation(env, await invite(admin, 'employee'), 'ada');
  await invited.getByRole('heading', { name: 'My tasks' }).waitFor();
});

browserTest('a page that was loaded before the sign-ups were closed says that people need an invitation', { SIGNUPS: 'closed' }, async (env) => {
  env.expectProblem(/403/);
  const page = await env.openPage('/');
  await page.evaluate(() => { document.documentElement.dataset.signups = 'open'; });
  await page.getByRole('button', { name: 'Create an account' }).click();
  await submitSignUp(page, 'ada');
  await page.getByText('Sign-up needs an invitation; ask an administrator for one').waitFor();
});

for (const { name, options } of APPEARANCES) {
  browserTest(`the pages of links and the dialog with a link have no accessibility violations: ${name}`, {}, async (env) => {
    const check = async (page) => {
      await checkAccessibility(page);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    };
    for (const [address, heading] of [
      [`/#invitation=${UNKNOWN_TOKEN}`, 'You are invited'], [`/#reset=${UNKNOWN_TOKEN}`, 'Set a new password'],
      ['/#reset=cut', 'This link does not work'],
    ]) {
      const page = await env.openPage(address, options);
      await page.getByRole('heading', { name: heading }).waitFor();
      assert.equal(await page.title(), `${heading} · Task board`);
      await check(page);
    }
    const page = await signIn(env, env.server.admin, options);
    await openPeople(page);
    await page.getByRole('button', { name: 'More: grace' }).click();
    await page.locator('#invite-form').getByRole('button', { name: 'Invite' }).click();
    await page.locator('#secret-dialog').waitFor();
    await check(page);
    await readSecret(page);
    await page.getByText('Anyone with the link').waitFor();
    await check(page);
  });
}

// ---- decisions of admins ------------------------------------------------------------------------

const CHANGED = 'ada: The account has changed or was deleted in the meantime. Nothing was done: look at it again.';

browserTest('an approval does not take effect on an account that has changed since the admin saw it', {}, async (env) => {
  const ada = await env.server.signUp('ada');
  const page = await signIn(env, env.server.admin);
  await openPeople(page);
  const ask = page.getByRole('button', { name: 'Approve: ada' });
  await ask.waitFor();
  await env.server.updateUser(ada, { role: 'manager' });
  await page.getByLabel('Role of ada').selectOption('admin');
  await ask.click();
  await page.getByText(CHANGED).waitFor();
  await page.waitForFunction(() => document.querySelector('[aria-label="Role of ada"]').value === 'manager');
  const token = await env.server.signIn(env.server.admin);
  const { role, is_approved: isApproved } = await env.server.request(200, 'GET', `/users/${ada.id}`, { token });
  assert.deepEqual([role, isApproved], ['manager', false]);
  await approve(page, 'ada', 'employee');
});

browserTest('an account that has changed since the admin saw it is not deleted, and keeps its approval', {}, async (env) => {
  const ada = await env.server.createUser('ada');
  const page = await signIn(env, env.server.admin);
  await openPeople(page);
  const shownRole = (role) =>
    page.waitForFunction((role) => document.querySelector('[aria-label="Role of ada"]')?.value === role, role);
  await shownRole('employee');
  await env.server.updateUser(ada, { role: 'manager' });
  await page.getByRole('button', { name: 'Delete: ada' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText(CHANGED).waitFor();
  await shownRole('manager');
  await page.getByRole('button', { name: 'Close this message' }).click();
  await page.getByRole('button', { name: 'More: ada' }).click();
  await env.server.updateUser(ada, { role: 'employee' });
  await page.getByRole('button', { name: 'Withdraw approval: ada' }).click();
  await page.getByText(CHANGED).waitFor();
  const token = await env.server.signIn(env.server.admin);
  assert.equal((await env.server.request(200, 'GET', `/users/${ada.id}`, { token })).is_approved, true);
});

browserTest('an account that changes while the approval is sent is not approved (If-Match)', {}, async (env) => {
  env.expectProblem(/412/);
  const ada = await env.server.signUp('ada');
  const page = await signIn(env, env.server.admin);
  await openPeople(page);
  const release = await holdRequests(page, (url) => url.pathname === `/users/${ada.id}`, 'PATCH');
  const sent = page.waitForRequest((request) => request.method() === 'PATCH');
  await page.getByRole('button', { name: 'Approve: ada' }).click();
  const request = await sent;
  assert.match(await request.headerValue('If-Match'), /^"[\w-]+"$/);
  await env.server.updateUser(ada, { role: 'manager' });
  release();
  await page.getByText(CHANGED).waitFor();
  await page.locator('#unapproved-accounts').getByText('ada', { exact: true }).waitFor();
});

browserTest('a new account with the name of a deleted one is not approved in its place', {}, async (env) => {
  env.expectProblem(/404/);
  const ada = await env.server.signUp('ada');
  const page = await signIn(env, env.server.admin);
  await openPeople(page);
  await page.getByRole('button', { name: 'Approve: ada' }).waitFor();
  const token = await env.server.signIn(env.server.admin);
  await env.server.request(204, 'DELETE', `/users/${ada.id}`, { token });
  const { id } = await env.server.signUp('ada');
  assert.notEqual(id, ada.id);
  await page.getByRole('button', { name: 'Approve: ada' }).click();
  await page.getByText(CHANGED).waitFor();
  assert.equal((await env.server.request(200, 'GET', `/users/${id}`, { token })).is_approved, false);
  await page.waitForFunction((id) => document.querySelector('#unapproved-accounts .entry')?.item.id === id, id);
  await approve(page, 'ada', 'employee');
});

browserTest('an admin signs a user out everywhere', {}, async (env) => {
  env.expectProblem(/401/);
  await env.server.createUser('ada');
  const ada = await signIn(env, { email: 'ada@example.com' });
  await ada.getByRole('heading', { name: 'My tasks' }).waitFor();
  const admin = await signIn(env, env.server.admin);
  await openPeople(admin);
  const more = admin.getByRole('button', { name: 'More: ada' });
  await more.focus();
  await admin.keyboard.press('Enter');
  assert.equal(await more.getAttribute('aria-expanded'), 'true');
  await checkAccessibility(admin);
  await admin.getByRole('button', { name: 'Sign out everywhere: ada' }).click();
  await admin.getByRole('alertdialog').getByRole('button', { name: 'Sign out everywhere' }).click();
  await waitForAnnouncement(admin, 'ada is signed out everywhere.');
  await ada.getByText('Your session has ended. Please sign in again.').waitFor();
});

// ---- sessions, tokens for scripts and device tokens ---------------------------------------------

browserTest('a user sees where they are signed in, and signs out there', {}, async (env) => {
  const ada = await env.server.createUser('ada');
  const [script, other] = [await env.server.signIn(ada), await signIn(env, ada, PHONE)];
  await other.getByRole('heading', { name: 'My tasks' }).waitFor();
  const page = await signIn(env, ada);
  const account = await openAccount(page, 'ada');
  const list = account.locator('#sessions');
  await entry(list, 'node').waitFor();
  const current = entry(list, 'This device');
  await current.getByText(/^Address 127\.0\.0\.1, last used on \d+ \w+ \d{4}, \d\d:\d\d$/).waitFor();
  assert.equal(await current.getByRole('button').isVisible(), false);
  await checkAccessibility(page);
  await entry(list, 'node').getByRole('button', { name: /^Sign out there/ }).click();
  await waitForAnnouncement(page, 'node is signed out.');
  await entry(list, 'node').waitFor({ state: 'detached' });
  await env.server.request(401, 'GET', '/me', { token: script });
  // The focus goes to the next entry that can be ended.
  assert.match(await page.evaluate(() => document.activeElement.ariaLabel ?? ''), /^Sign out there/);

  // A session that has ended elsewhere leaves the list, with an error.
  env.expectProblem(/404/);
  await other.getByRole('button', { name: 'Sign out' }).click();
  await other.getByText('You are signed out.').waitFor();
  await page.keyboard.press('Enter');
  await account.locator('#sessions-section > .form-error').getByText('It is no longer available.').waitFor();
  await list.getByRole('button', { name: /^Sign out there/, includeHidden: false }).waitFor({ state: 'hidden' });
  await current.waitFor();
});

browserTest('a user makes a token for a script, which is shown once, and revokes it', {}, async (env) => {
  env.expectProblem(/403/);
  const ada = await env.server.createUser('ada');
  const page = await signIn(env, ada, PHONE);
  const account = await openAccount(page, 'ada');
  await account.getByText('You have no tokens.').waitFor();
  await account.locator('summary').focus();
  await page.keyboard.press('Enter');
  const form = account.locator('#token-form');
  assert.equal(await form.getByLabel('Valid for').inputValue(), String(30 * 86_400));
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await checkAccessibility(page);
  await form.getByLabel('Name').fill('Nightly report');
  await form.getByLabel('Current password').fill('not this one');
  await form.getByRole('button', { name: 'Make the token' }).click();
  await form.getByText('The current password is wrong').waitFor();
  await form.getByLabel('Current password').fill(ada.password);
  await form.getByRole('button', { name: 'Make the token' }).click();
  const token = await readSecret(page);
  assert.match(token, /^tapi_[\w-]{43}$/);
  const row = entry(account.locator('#tokens'), 'Nightly report');
  await row.getByText('Read only').waitFor();
  await row.getByText(/^Never used, expires on /).waitFor();
  assert.equal(await form.isVisible(), false);
  assert.doesNotMatch(await page.evaluate(() => document.documentElement.outerHTML), new RegExp(token));

  assert.equal((await env.server.request(200, 'GET', '/me', { token })).username, 'ada');
  // The server writes times of use once a minute.
  await page.route('**/me/tokens', async (route) => {
    const { items } = await (await route.fetch()).json();
    await route.fulfill({ json: { items: items.map((item) => ({ ...item, last_used_at: '2026-12-01T09:00:00.000000Z' })) } });
  });
  await account.getByRole('button', { name: 'Close' }).click();
  await openAccount(page, 'ada');
  await row.getByText(/^Last used on 1 Dec 2026, 09:00, expires on /).waitFor();
  await page.unrouteAll({ behavior: 'wait' });
  await row.getByRole('button', { name: /^Revoke/ }).click();
  await page.getByRole('alertdialog').getByText('Revoke the token “Nightly report”?').waitFor();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Revoke' }).click();
  await account.getByText('You have no tokens.').waitFor();
  await env.server.request(401, 'GET', '/me', { token });
});

browserTest('a token can be made that changes data and does not expire', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  const account = await openAccount(page, 'grace');
  await account.locator('summary').click();
  const form = account.locator('#token-form');
  await form.getByLabel('Name').fill('Import');
  await form.getByLabel('What it may do').selectOption('Read and change');
  await form.getByLabel('Valid for').selectOption('No expiry');
  await form.getByLabel('Current password').fill(PASSWORD);
  await form.getByRole('button', { name: 'Make the token' }).click();
  const token = await readSecret(page);
  await entry(account.locator('#tokens'), 'Import').getByText('Never used, does not expire').waitFor();
  await env.server.request(201, 'POST', '/tasks', { token, body: { title: 'Water the plants' } });
  await account.getByRole('button', { name: 'Close' }).click();
  await returnToTab(page);
  await card(page, 'Water the plants').waitFor();
});

browserTest('a user signs in with a Unicode domain and with its ASCII form, whichever the account was made with', {}, async (env) => {
  for (const [username, domain] of [['zoe', 'bücher.example'], ['bo', 'xn--bcher-kva.example']]) {
    const body = { username, email: `${username}@${domain}`, password: PASSWORD };
    await env.server.request(201, 'POST', '/signup', { body });
    for (const typed of ['bücher.example', 'BÜCHER.example', 'xn--bcher-kva.example']) {
      const page = await signIn(env, { email: `${username}@${typed}` });
      await page.getByRole('heading', { name: 'Waiting for approval' }).first().waitFor();
      await page.close();
    }
  }
});

browserTest('a browser keeps the device token of a sign-in, and sends it with the next one of this account', {}, async (env) => {
  const [ada, joan] = [await env.server.createUser('ada'), await env.server.createUser('joan')];
  const page = await env.openPage('/');
  const signInAs = async (email) => {
    const responded = page.waitForResponse((response) => response.url().endsWith('/login'));
    await fillSignIn(page, email, PASSWORD);
    const response = await responded;
    const { device_token: received } = await response.json();
    // Of two servers, one may serve the lists after the other has ended the session.
    await page.waitForLoadState('networkidle');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('You are signed out.').waitFor();
    return { sent: response.request().postDataJSON().device_token, received };
  };
  const first = await signInAs(ada.email);
  assert.equal(first.sent, undefined);
  assert.equal(typeof first.received, 'string');
  assert.equal((await signInAs(joan.email)).sent, undefined);
  await page.reload();
  const second = await signInAs('  ADA@example.com');
  assert.equal(second.sent, first.received);
  assert.equal((await signInAs(ada.email)).sent, second.received);
});

browserTest('a browser that refuses access to its storage signs in without a device token', {}, async (env) => {
  const ada = await env.server.createUser('ada');
  const page = await env.openPage('/');
  await page.evaluate(() => {
    for (const name of ['getItem', 'setItem']) Storage.prototype[name] = () => { throw new Error('blocked'); };
  });
  await fillSignIn(page, ada.email, ada.password);
  await page.getByRole('heading', { name: 'My tasks' }).waitFor();
});
