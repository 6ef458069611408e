// The steps of the browser tests: what users do on the board and on the documentation page, and lookups of what they
// see.

import { setTimeout } from 'node:timers/promises';
import { PASSWORD, STEP_TIMEOUT } from './harness.mjs';

export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
/** The sizes and colours in which the views are checked, each with its name. */
export const APPEARANCES = [[1280, { viewport: { width: 1280, height: 800 } }], [390, PHONE]].flatMap(([width, size]) =>
  ['light', 'dark'].map((colorScheme) => ({ name: `${width}-${colorScheme}`, options: { ...size, colorScheme } })));

export async function signIn(env, { email, password = PASSWORD }, options) {
  const page = await env.openPage('/', options);
  await fillSignIn(page, email, password);
  return page;
}

export async function fillSignIn(page, email, password) {
  const form = page.locator('#sign-in-form');
  await form.getByLabel('E-mail').fill(email);
  await form.getByLabel('Password').fill(password);
  await form.getByRole('button', { name: 'Sign in' }).click();
}

export async function signUp(env, name) {
  const page = await env.openPage('/');
  await page.getByRole('button', { name: 'Create an account' }).click();
  const form = page.locator('#sign-up-form');
  await form.getByLabel('Name').fill(name);
  await form.getByLabel('E-mail').fill(`${name}@example.com`);
  await form.getByLabel('Password').fill(PASSWORD);
  await form.getByRole('button', { name: 'Sign up' }).click();
  await page.getByRole('heading', { name: 'Waiting for approval' }).first().waitFor();
  return page;
}

export async function openPeople(page) {
  await page.getByRole('link', { name: /People/ }).click();
  await page.getByRole('heading', { name: 'People' }).waitFor();
}

export async function openAccount(page, name) {
  await page.getByRole('button', { name: `Account of ${name}` }).click();
  const dialog = page.locator('#account-dialog');
  await dialog.waitFor();
  // What its lists load moves the controls below them.
  await dialog.locator('[aria-busy=true]').first().waitFor({ state: 'detached' });
  return dialog;
}

export async function approve(page, name, role) {
  await openPeople(page);
  await page.getByLabel(`Role of ${name}`, { exact: true }).selectOption(role);
  await page.getByRole('button', { name: `Approve: ${name}`, exact: true }).click();
  await page.locator('#approved-accounts').getByText(name, { exact: true }).waitFor();
}

export const column = (page, name) => page.getByRole('region', { name: new RegExp(`^${name} `) });
export const card = (page, title, name) => (name ? column(page, name) : page).getByRole('listitem')
  .filter({ has: page.getByRole('button', { name: title, exact: true }) });
export const titleButton = (page, title, name) => card(page, title, name).getByRole('button', { name: title, exact: true });
export const titles = (page, name) => column(page, name).locator('.card-title').allInnerTexts();
export const dialog = (page) => page.getByRole('dialog');
/** Answers the question whether changes may be discarded. */
export const discard = (page) => page.getByRole('alertdialog').getByRole('button', { name: 'Discard' }).click();
export const keepEditing = (page) => page.getByRole('alertdialog').getByRole('button', { name: 'Keep editing' }).click();

/** Waits for an announcement that contains `text`, after the last one that a step has waited for. */
export async function waitForAnnouncement(page, text) {
  const deadline = Date.now() + STEP_TIMEOUT;
  const takeFirst = (wanted) => {
    const index = window.announcements.findIndex((announcement) => announcement.includes(wanted));
    return index >= 0 && Boolean(window.announcements.splice(0, index + 1));
  };
  while (!await page.evaluate(takeFirst, text)) {
    if (Date.now() > deadline) {
      throw new Error(`“${text}” is not announced, but ${JSON.stringify(await page.evaluate('window.announcements'))}`);
    }
    await setTimeout(50);
  }
}

export async function openTask(page, title) {
  await titleButton(page, title).click();
  await dialog(page).waitFor();
  return dialog(page);
}

export async function drag(page, title, to) {
  const from = await titleButton(page, title).boundingBox();
  const target = await column(page, to).boundingBox();
  await page.mouse.move(from.x + 10, from.y + 5);
  await page.mouse.down();
  await page.mouse.move(from.x + 30, from.y + 20);
  await page.mouse.move(target.x + target.width / 2, target.y + target.height / 2, { steps: 4 });
  await page.mouse.up();
}

/**
 * Simulates that the user switches back to the tab: the page loads the current data. A page whose session has ended leaves
 * by itself at its next poll, so this must not run there: it fails if the page is left meanwhile.
 */
export const returnToTab = (page) => page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')) && null);

/** Returns a task as the server has it. */
export const fetchTask = async (env, id) =>
  env.server.request(200, 'GET', `/tasks/${id}`, { token: await env.server.signIn(env.server.admin) });

/** Waits until the server has this status for a task. */
export async function waitForStatus(env, id, status) {
  const token = await env.server.signIn(env.server.admin);
  for (;;) {
    const task = await env.server.request(200, 'GET', `/tasks/${id}`, { token });
    if (task.status === status) return;
    await setTimeout(50);
  }
}

/** Holds the page's requests to matching URLs back, of one method or of all, until the returned function is called. */
export async function holdRequests(page, matches, method) {
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  await page.route(matches, async (route) => {
    if (!method || route.request().method() === method) await released;
    await route.continue().catch(() => {}); // The page may be closed.
  });
  return release;
}

/**
 * Waits until a board is loaded, then holds its polls back until the returned function is called, so that the page learns
 * what others do only from its other requests.
 */
export async function holdPolls(page) {
  await page.waitForFunction(() => document.querySelectorAll('#columns [aria-busy=false]').length >= 3
    && !document.querySelector('main [aria-busy=true]'));
  return holdRequests(page, (url) => url.pathname === '/tasks/summary');
}

// ---- the documentation page ---------------------------------------------------------------------

export async function openDocs(env, options, address = '/docs') {
  const page = await env.openPage(address, options);
  await operation(page, 'get', '/hello').waitFor();
  return page;
}

export function operation(page, method, path) {
  return page.locator(`.opblock-${method}:has(.opblock-summary-path[data-path="${path}"])`);
}

/** Expands an operation, and returns it. */
export async function expandOperation(page, method, path) {
  const element = operation(page, method, path);
  await element.locator('.opblock-summary-control').click();
  await element.getByRole('button', { name: 'Execute' }).waitFor();
  return element;
}

export async function openAuthorizationDialog(page) {
  await page.getByRole('button', { name: 'Authorize' }).click();
  return page.locator('.dialog-ux');
}

export async function authorize(page, token) {
  const dialog = await openAuthorizationDialog(page);
  const scheme = dialog.locator('form').filter({ hasText: /^\s*accessToken/ });
  await scheme.locator('input').fill(token);
  await scheme.getByRole('button', { name: 'Authorize' }).click();
  await dialog.locator('.btn-done').first().click();
  await dialog.waitFor({ state: 'detached' });
}

/** Sends an operation's request, and returns the status and the body that Swagger UI shows. */
export async function execute(operation) {
  await operation.getByRole('button', { name: 'Execute' }).click();
  const response = operation.locator('.live-responses-table');
  const status = await response.locator('tbody .response-col_status').first().innerText();
  const body = response.locator('.highlight-code pre').first();
  return { status: status.trim(), body: await body.isVisible() ? await body.innerText() : '' };
}
