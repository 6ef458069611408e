// The session of the board: a reload stays signed in, all tabs share the session, and no other origin can use its
// cookie.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { browserTest, PASSWORD } from './harness.mjs';
import {
  card, dialog, discard, fillSignIn, holdPolls, holdRequests, keepEditing, openAccount, openPeople, returnToTab, signIn, titleButton,
} from './steps.mjs';

// ---- steps and lookups --------------------------------------------------------------------------

/** Opens another tab of the same browser. */
async function openTab(env, page) {
  const tab = await page.context().newPage();
  await tab.goto(env.server.origin);
  return tab;
}

/** The sessions of an account that a browser has. */
async function browserSessions(env, account, token) {
  const accessToken = token ?? await env.server.signIn(account);
  const { items } = await env.server.request(200, 'GET', '/me/sessions', { token: accessToken });
  return items.filter(({ user_agent: agent }) => agent.includes('Chrome'));
}

const tasksTitle = (page) => page.getByRole('heading', { name: 'Tasks', exact: true });
const signInAgain = (page) => page.getByRole('dialog', { name: 'Sign in again' });

async function newTask(page, title) {
  await page.getByRole('button', { name: 'New task' }).click();
  await dialog(page).getByLabel('Title').fill(title);
}

// ---- reloads ------------------------------------------------------------------------------------

browserTest('twenty reloads stay signed in, in the same view and in one session, and scripts can read no token', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  await openPeople(page);
  for (let i = 0; i < 20; i += 1) {
    await page.reload();
    await page.getByRole('heading', { name: 'People' }).waitFor();
  }
  assert.match(page.url(), /#people$/);
  assert.equal((await browserSessions(env, env.server.admin)).length, 1);
  const stored = await page.evaluate(async () => [
    Object.keys(localStorage), sessionStorage.length, document.cookie, (await indexedDB.databases()).length,
    (await caches.keys()).length,
  ]);
  assert.deepEqual(stored, [['device-token:grace@example.com'], 0, '', 0, 0]);
  const [cookie, ...others] = await page.context().cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, others.length], [true, 'Strict', 0]);
});

browserTest('the start of the page shows no sign-in form while it finds out who is signed in', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  await tasksTitle(page).waitFor();
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  await page.route('**/refresh', async (route) => {
    await released;
    await route.continue();
  });
  await page.reload();
  await page.getByRole('status').getByText('Loading…').waitFor();
  assert.equal(await page.locator('#sign-in-form').isVisible(), false);
  release();
  await tasksTitle(page).waitFor();
  assert.equal(await page.getByRole('status').getByText('Loading…').isVisible(), false);
});

browserTest('a page that cannot reach the server at its start says so, and goes on by itself', {}, async (env) => {
  env.expectProblem(/ERR_CONNECTION_REFUSED/);
  const page = await signIn(env, env.server.admin);
  await tasksTitle(page).waitFor();
  await page.route(/\/(refresh|healthz)$/, (route) => route.abort('connectionrefused'));
  await page.reload();
  await page.getByText('The server cannot be reached.').waitFor();
  assert.equal(await page.locator('#sign-in-form').isVisible(), false);
  await page.unrouteAll({ behavior: 'wait' });
  await tasksTitle(page).waitFor();
});

browserTest('a proxy that asks to sign in at the start of the page leads to a message in words, and ends no session', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  await tasksTitle(page).waitFor();
  const redirect = (route) => route.fulfill({ status: 302, headers: { Location: 'https://sso.example/' } });
  await page.route('**/refresh', redirect);
  // Otherwise the page would go on by itself.
  await page.route('**/healthz', redirect);
  await page.reload();
  await page.getByText('A proxy in front of this server asks you to sign in.').waitFor();
  assert.equal(await page.locator('#sign-in-form').isVisible(), false);
  await page.unroute('**/refresh');
  await page.getByRole('button', { name: 'Reload' }).click();
  await tasksTitle(page).waitFor();
});

for (const [name, answer] of Object.entries({
  'a 401 with a code of its own': { status: 401, json: { code: '900902', message: 'Missing Credentials' } },
  'a 401 with a number as its code': { status: 401, json: { code: 401, msg: 'Unauthorized' } },
  'a 403': { status: 403, json: { error: { code: 'forbidden' } } },
  'a page that asks to sign in': { status: 200, contentType: 'Text/HTML; charset=utf-8', body: '<h1>Sign in</h1>' },
})) {
  browserTest(`what a proxy answers is not taken for an answer of the server: ${name}`, {}, async (env) => {
    env.allowProblem(/401|403/);
    const page = await signIn(env, env.server.admin);
    await tasksTitle(page).waitFor();
    await page.route('**/tasks/summary', (route) => route.fulfill(answer));
    const banner = page.getByText('A proxy in front of this server asks you to sign in.');
    await banner.waitFor();
    assert.equal(await tasksTitle(page).isVisible(), true);
    await page.unrouteAll({ behavior: 'wait' });
    await banner.waitFor({ state: 'hidden' });
  });
}

browserTest('a session that has ended meanwhile is told at the next start, and a start without one is silent', {}, async (env) => {
  env.expectProblem(/401/);
  const page = await signIn(env, env.server.admin);
  await tasksTitle(page).waitFor();
  await page.goto('about:blank'); // Otherwise the page could notice it before the next start.
  await env.server.request(204, 'POST', '/me/sessions/revoke-all', { token: await env.server.signIn(env.server.admin) });
  await page.goto(env.server.origin);
  await page.getByText('Your session has ended. Please sign in again.').waitFor();
  assert.deepEqual(await page.context().cookies(), []);
  await page.reload();
  await page.locator('#sign-in-form').waitFor();
  assert.equal(await page.locator('#sign-in-message').textContent(), '');
});

browserTest('a one-time link that is opened in a signed-in browser asks first', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  await tasksTitle(page).waitFor();
  const link = `${env.server.origin}/#invitation=${'a'.repeat(43)}`;
  const tab = await openTab(env, page);
  await tasksTitle(tab).waitFor();
  await tab.goto('about:blank');
  await tab.goto(link);
  await tab.getByRole('heading', { name: 'You are signed in already' }).waitFor();
  await tab.getByRole('button', { name: 'Stay signed in' }).click();
  await tasksTitle(tab).waitFor();
  await tab.goto('about:blank');
  await tab.goto(link);
  await holdPolls(page);
  await tab.getByRole('button', { name: 'Sign out and open the link' }).click();
  await tab.getByRole('heading', { name: 'You are invited' }).waitFor();
  await page.getByText('You are signed out.').waitFor();
});

browserTest('without cookies a reload signs out and ends the session, as in each tab', {}, async (env) => {
  const page = await env.openPage('about:blank');
  await page.context().addInitScript(() => Object.defineProperty(Navigator.prototype, 'cookieEnabled', { get: () => false }));
  await page.goto(env.server.origin);
  await fillSignIn(page, env.server.admin.email, PASSWORD);
  await tasksTitle(page).waitFor();
  assert.deepEqual(await page.context().cookies(), []);
  await page.reload();
  await page.locator('#sign-in-form').waitFor();
  const token = await env.server.signIn(env.server.admin);
  while ((await browserSessions(env, env.server.admin, token)).length > 0) await setTimeout(100);
  await fillSignIn(page, env.server.admin.email, PASSWORD);
  await tasksTitle(page).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
});

// ---- lost responses -----------------------------------------------------------------------------

browserTest('a refresh whose response is lost, and a minute without network, end no session', { JWT_ACCESS_TOKEN_EXPIRES: '3s' }, async (env) => {
  env.expectProblem(/ERR_CONNECTION_RESET/);
  env.expectProblem(/ERR_INTERNET_DISCONNECTED/);
  env.expectProblem(/401/);
  const page = await env.openPage('about:blank');
  await page.clock.install();
  await page.goto(env.server.origin);
  await fillSignIn(page, env.server.admin.email, PASSWORD);
  await tasksTitle(page).waitFor();
  let [isLost, isOffline] = [false, false];
  await page.route('**', async (route) => {
    if (isOffline) return route.abort('internetdisconnected');
    if (isLost || !route.request().url().endsWith('/refresh')) return route.continue();
    [isLost, isOffline] = [true, true];
    await route.fetch();
    return route.abort('connectionreset');
  });
  while (!isLost) {
    await returnToTab(page);
    await page.waitForTimeout(200);
  }
  await page.getByText('The server cannot be reached.').first().waitFor();
  const pings = () => env.requests.filter((request) => request.endsWith('/healthz')).length;
  for (const seconds of [2, 4, 8, 15, 15, 15]) {
    const failed = page.waitForEvent('requestfailed', (request) => request.url().endsWith('/healthz'));
    const before = pings();
    await page.clock.runFor(seconds * 1000);
    await failed;
    assert.equal(pings(), before + 1);
    await page.evaluate(() => null);
  }
  isOffline = false;
  await page.clock.runFor(15_000);
  await page.locator('#connection-banner').waitFor({ state: 'hidden' });
  await newTask(page, 'Water the plants');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await card(page, 'Water the plants', 'To do').waitFor();
  assert.equal((await browserSessions(env, env.server.admin)).length, 1);
});

browserTest('a request during a sign-out is not taken for the end of the session', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  await tasksTitle(page).waitFor();
  await page.route('**/logout', async (route) => {
    const response = await route.fetch();
    await returnToTab(page);
    await page.waitForTimeout(500); // Long enough for a request and a refresh.
    await route.fulfill({ response });
  });
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
});

browserTest('after a sign-out no request is sent without a token until the page is left', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  await tasksTitle(page).waitFor();
  const [logout, reload] = await Promise.all([
    holdRequests(page, '**/logout'), holdRequests(page, `${env.server.origin}/`),
  ]);
  // The page sends requests all the time: some while the sign-out is under way, and some after it.
  await page.evaluate(() => { setInterval(() => document.dispatchEvent(new Event('visibilitychange')), 100); });
  const [signOut, leaving] = [page.waitForRequest('**/logout'), page.waitForRequest(`${env.server.origin}/`)];
  await page.getByRole('button', { name: 'Sign out' }).click();
  await signOut;
  await setTimeout(500);
  logout();
  await leaving;
  const sent = env.requests.length;
  await setTimeout(2500); // Longer than the time between two polls.
  assert.deepEqual(env.requests.slice(sent), []);
  reload();
  await page.getByText('You are signed out.').waitFor();
});

browserTest('a sign-out without a connection says that it did not take place', {}, async (env) => {
  env.expectProblem(/ERR_INTERNET_DISCONNECTED/);
  const page = await signIn(env, env.server.admin);
  await tasksTitle(page).waitFor();
  await page.context().setOffline(true);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are not signed out. The server cannot be reached.').waitFor();
  await page.context().setOffline(false);
  await page.locator('#connection-banner').waitFor({ state: 'hidden' });
  await page.waitForLoadState('networkidle');
  await page.locator('.notification').getByRole('button', { name: 'Try again' }).click();
  await page.getByText('You are signed out.').waitFor();
  await page.reload();
  await page.locator('#sign-in-form').waitFor();
});

// ---- several tabs -------------------------------------------------------------------------------

browserTest('tabs that reload at once stay signed in, in one session', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  await tasksTitle(page).waitFor();
  const tabs = [page, await openTab(env, page), await openTab(env, page)];
  for (let i = 0; i < 3; i += 1) {
    await Promise.all(tabs.map((tab) => tab.reload()));
    await Promise.all(tabs.map((tab) => tasksTitle(tab).waitFor()));
  }
  assert.equal((await browserSessions(env, env.server.admin)).length, 1);
});

for (const [name, everywhere] of [['a sign-out', false], ['a sign-out everywhere', true]]) {
  browserTest(`${name} ends the session in all tabs, and a tab with changes keeps them`, {}, async (env) => {
    env.allowProblem(/401 .*\/tasks\/summary/); // The request that is held back has the token of the session that ends.
    if (everywhere) env.expectProblem(/401.*logout/); // It deletes the cookie of the session that has ended.
    const page = await signIn(env, env.server.admin);
    await tasksTitle(page).waitFor();
    const [clean, dirty] = [await openTab(env, page), await openTab(env, page)];
    await tasksTitle(clean).waitFor();
    await newTask(dirty, 'Water the plants');
    // A tab that asks for changes between the end of the session and the message of the other tab only says that its
    // session has ended.
    const held = await Promise.all([clean, dirty].map(holdPolls));
    if (everywhere) {
      const account = await openAccount(page, 'grace');
      await account.getByRole('button', { name: 'Sign out everywhere' }).click();
      await page.getByRole('alertdialog').getByRole('button', { name: 'Sign out everywhere' }).click();
    } else {
      await page.getByRole('button', { name: 'Sign out' }).click();
    }
    await page.getByText('You are signed out').waitFor();
    assert.deepEqual(await page.context().cookies(), []);
    await clean.getByText('You are signed out').waitFor();
    assert.equal(await clean.locator('#sign-in-form').isVisible(), true);
    const again = signInAgain(dirty);
    await again.getByText('You are signed out.').waitFor();
    for (const release of held) release();
    assert.equal(await dirty.locator('#task-dialog').getByLabel('Title').inputValue(), 'Water the plants');

    // A sign-in in another tab counts for this one too.
    await fillSignIn(clean, env.server.admin.email, PASSWORD);
    await tasksTitle(clean).waitFor();
    await again.waitFor({ state: 'hidden' });
    await dialog(dirty).getByRole('button', { name: 'Save' }).click();
    await card(dirty, 'Water the plants', 'To do').waitFor();
  });
}

browserTest('a tab leaves when another tab signs in with another account, and never mixes their data', {}, async (env) => {
  const joan = await env.server.createUser('joan');
  await env.server.createTask({ title: 'Water the plants' });
  const second = await env.openPage('/');
  const page = await openTab(env, second);
  const dirty = await openTab(env, second);
  await fillSignIn(page, env.server.admin.email, PASSWORD);
  await titleButton(page, 'Water the plants').waitFor();
  await dirty.reload();
  await newTask(dirty, 'Order chairs');

  await fillSignIn(second, joan.email, PASSWORD);
  await second.getByRole('heading', { name: 'My tasks' }).waitFor();
  await page.getByRole('heading', { name: 'My tasks' }).waitFor();
  assert.doesNotMatch(await page.evaluate(() => document.documentElement.outerHTML), /plants|grace/i);

  await signInAgain(dirty).getByText('Another account is signed in in this browser now.').waitFor();
  const leave = signInAgain(dirty).getByRole('button', { name: 'Sign in as another account' });
  await leave.click();
  await keepEditing(dirty);
  assert.equal(await dirty.locator('#task-dialog').getByLabel('Title').inputValue(), 'Order chairs');
  await leave.click();
  await discard(dirty);
  await dirty.getByRole('heading', { name: 'My tasks' }).waitFor();
  assert.doesNotMatch(await dirty.evaluate(() => document.documentElement.outerHTML), /plants|chairs|grace/i);
});

browserTest('a tab that misses the sign-in with another account notices it at its next refresh', { JWT_ACCESS_TOKEN_EXPIRES: '5s' }, async (env) => {
  env.expectProblem(/401/);
  const joan = await env.server.createUser('joan', 'admin');
  const page = await env.openPage('about:blank');
  await page.addInitScript(() => { window.BroadcastChannel = EventTarget; EventTarget.prototype.postMessage = () => {}; });
  await page.goto(env.server.origin);
  await fillSignIn(page, env.server.admin.email, PASSWORD);
  await tasksTitle(page).waitFor();
  // As a sign-in of another tab does.
  await page.evaluate(async ([email, password]) => {
    const headers = { 'Content-Type': 'application/json', 'Refresh-Cookie': 'true' };
    await fetch('login', { method: 'POST', headers, body: JSON.stringify({ email, password }) });
  }, [joan.email, PASSWORD]);
  while (!await page.getByRole('button', { name: 'Account of joan' }).isVisible()) {
    await returnToTab(page).catch(() => {});
    await page.waitForTimeout(100);
  }
});

// ---- other origins ------------------------------------------------------------------------------

/** What a page of another origin finds out with the cookie: the status, or the error of its `fetch`. */
const useCookie = (page, origin) => page.evaluate(async (origin) => {
  const results = [];
  for (const headers of [{ 'Refresh-Cookie': 'true' }, {}]) {
    for (const path of ['refresh', 'logout']) {
      try {
        const response = await fetch(`${origin}/${path}`, { method: 'POST', headers, credentials: 'include' });
        results.push(`${path} ${response.status}`);
      } catch (error) {
        results.push(`${path} ${error.name}`);
      }
    }
  }
  return results;
}, origin);

/** Serves a page at each path of a server of its own. Returns the port. */
async function serveBesides(env) {
  const server = createServer((request, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<p>A page</p>'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  env.onCleanUp(() => server.close().closeAllConnections());
  return server.address().port;
}

for (const [name, host, other] of [
  ['another port', '127.0.0.1', '127.0.0.1'], ['a sibling subdomain', 'a.localhost', 'b.localhost'],
  ['a subdomain', 'localhost', 'b.localhost'],
]) {
  browserTest(`a page of ${name} cannot use the cookie, even with CORS_ORIGINS`, null, async (env) => {
    const foreign = `http://${other}:${await serveBesides(env)}`;
    await env.start({ CORS_ORIGINS: foreign });
    const origin = env.server.origin.replace('127.0.0.1', host);
    for (const allowed of [foreign, origin]) env.allowOrigin(allowed);
    env.expectProblem(/blocked by CORS policy/);
    env.expectProblem(/ERR_FAILED/);
    const page = await env.openPage(origin);
    await fillSignIn(page, env.server.admin.email, PASSWORD);
    await tasksTitle(page).waitFor();
    const tab = await page.context().newPage();
    await tab.goto(foreign);
    assert.deepEqual(await useCookie(tab, origin), ['refresh TypeError', 'logout TypeError', 'refresh TypeError', 'logout TypeError']);
    // Without the header the request arrives, and the server ignores the cookie.
    for (const path of ['refresh', 'logout']) await env.server.waitForLog(new RegExp(`method=POST path=/${path} status=401`));
    await page.reload();
    await tasksTitle(page).waitFor();
    assert.equal((await browserSessions(env, env.server.admin)).length, 1);
  });
}
