// The board in Firefox, through WebDriver BiDi: what an admin, a manager and an employee do, with the system's browser.
// (Playwright drives only a Firefox of its own, so this is Puppeteer.)

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import puppeteer from 'puppeteer-core';
import { browserTest, findProgram, PASSWORD, recordAnnouncements, STEP_TIMEOUT } from './harness.mjs';
import { waitForAnnouncement, waitForStatus } from './steps.mjs';

let firefox;
before(async () => {
  firefox = await puppeteer.launch({
    browser: 'firefox',
    executablePath: process.env.FIREFOX ?? findProgram(['firefox-esr', 'firefox'], 'FIREFOX'),
    protocol: 'webDriverBiDi',
    timeout: 60_000,
  });
});
after(() => firefox?.close());

async function openPage(env, address) {
  const context = await firefox.createBrowserContext();
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_TIMEOUT);
  env.watch(context, page);
  await page.evaluateOnNewDocument(recordAnnouncements);
  await page.setViewport({ width: 1280, height: 800 });
  await page.goto(new URL(address, env.server.origin).href);
  return page;
}

/** Puppeteer's message of a timeout does not say what was not found. */
const step = (description, promise) => promise.catch((cause) => {
  throw new Error(`${description}: ${cause.message}`, { cause });
});

/**
 * Waits until `find(...parameters)`, which runs in the page, returns something, and returns that. (Puppeteer's
 * `waitForFunction` does not always go on in the page that a reload loads.)
 */
async function waitFor(page, find, ...parameters) {
  const deadline = Date.now() + STEP_TIMEOUT;
  while (Date.now() < deadline) {
    const found = await page.evaluateHandle(find, ...parameters).catch(() => null); // The page is being left.
    if (found?.asElement() || await found?.jsonValue()) return found;
    await setTimeout(50);
  }
  throw new Error(`not found: ${parameters.join(' ')}, but: ${await page.evaluate(() => document.body.innerText)}`);
}

/** Waits for a control that is shown, by its name, inside `root`. */
const control = (page, name, root) => waitFor(page, (root, name) => {
  const nameOf = (element) => (element.ariaLabel ?? element.innerText).replace(/\s+/g, ' ').trim();
  return [...document.querySelectorAll(`${root} :is(a, button, select)`)]
    .find((element) => nameOf(element) === name && element.checkVisibility());
}, root, name);
const click = async (page, name, root = 'body') => (await control(page, name, root)).click();
const waitForText = (page, text, root = 'body') => waitFor(page, (root, text) =>
  [...document.querySelectorAll(root)].some((element) => element.innerText.includes(text)), root, text);
const fill = (page, selector, value) => step(`fill ${selector}`, page.locator(selector).fill(value));
const choose = (page, selector, value) => step(`choose in ${selector}`, page.waitForSelector(selector).then((field) => field.select(value)));
const column = (status) => `.column[data-status="${status}"]`;
const focusedText = (page) => page.evaluate(() => document.activeElement.textContent);

async function signUp(env, name) {
  const page = await openPage(env, '/');
  await click(page, 'Create an account');
  await fill(page, '#sign-up-form [name=username]', name);
  await fill(page, '#sign-up-form [name=email]', `${name}@example.com`);
  await fill(page, '#sign-up-form [name=password]', PASSWORD);
  await click(page, 'Sign up');
  await waitForText(page, 'Waiting for approval', '#approval-view');
  return page;
}

async function signIn(page, email) {
  await fill(page, '#sign-in-form [name=email]', email);
  await fill(page, '#sign-in-form [name=password]', PASSWORD);
  await click(page, 'Sign in');
}

async function centre(page, selector) {
  const element = await page.locator(selector).waitHandle();
  const box = await element.boundingBox();
  return [box.x + box.width / 2, box.y + box.height / 2];
}

async function drag(page, from, to) {
  const [x, y] = await centre(page, from);
  const target = await centre(page, to);
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 20, y + 15);
  await page.mouse.move(...target, { steps: 4 });
  await step('drop target', page.waitForSelector(`${to}.drop-target`));
  await page.mouse.up();
}

browserTest('Firefox: an account is approved, and a task is created, moved in three ways, edited, found and deleted', {}, async (env) => {
  const ada = await signUp(env, 'ada');
  const admin = await openPage(env, '/');
  await signIn(admin, env.server.admin.email);
  await waitForText(admin, 'No tasks here.');
  await click(admin, 'People 1', 'nav');
  await choose(admin, '#unapproved-accounts [aria-label="Role of ada"]', 'manager');
  await click(admin, 'Approve: ada');
  await waitForAnnouncement(admin, 'ada is approved as manager.');

  // A page in a tab of the background loads nothing. In front again it finds the approval.
  await ada.bringToFront();
  await click(ada, 'New task');
  await fill(ada, '#task-dialog [name=title]', 'Water the plants');
  await fill(ada, '#task-dialog [name=description]', 'Not the cactus.');
  await fill(ada, '#task-dialog [name=deadline]', '2031-05-01');
  await fill(ada, '#task-dialog [name=time]', '12:30');
  await fill(ada, '#task-dialog [name=assignee]', 'ada');
  await click(ada, 'Save', '#task-dialog');
  await waitForAnnouncement(ada, '“Water the plants” is saved.');
  await waitForText(ada, 'Due 1 May 2031', column('pending'));

  await drag(ada, `${column('pending')} .card-title`, column('in_progress'));
  await waitForText(ada, 'Water the plants', column('in_progress'));
  await waitForStatus(env, 1, 'in_progress');
  await ada.focus('.card-title');
  await ada.keyboard.down('Shift');
  await ada.keyboard.press('ArrowRight');
  await ada.keyboard.up('Shift');
  await waitForAnnouncement(ada, '“Water the plants” moved to Done.');
  assert.equal(await focusedText(ada), 'Water the plants');
  await waitForStatus(env, 1, 'completed');
  await click(ada, 'Move “Water the plants” to In progress');
  await waitForText(ada, 'Water the plants', column('in_progress'));
  await waitForStatus(env, 1, 'in_progress');

  await click(ada, 'Water the plants', '#columns');
  await fill(ada, '#task-dialog [name=title]', 'Water the flowers');
  await click(ada, 'Save', '#task-dialog');
  await waitForAnnouncement(ada, '“Water the flowers” is saved.');

  await fill(ada, '#task-filters [name=q]', 'cactus');
  await waitForAnnouncement(ada, 'To do: 0, In progress: 1, Done: 0');
  await choose(ada, '#task-filters [name=due]', 'past');
  await waitForAnnouncement(ada, 'To do: 0, In progress: 0, Done: 0');
  await choose(ada, '#task-filters [name=due]', '');
  await waitForAnnouncement(ada, 'To do: 0, In progress: 1, Done: 0');

  await click(ada, 'Water the flowers', '#columns');
  await click(ada, 'Delete', '#task-dialog');
  await click(ada, 'Delete', 'dialog.confirm');
  await waitForAnnouncement(ada, '“Water the flowers” is deleted.');
  await click(ada, 'Sign out');
  await waitForText(ada, 'You are signed out.');
});

browserTest('Firefox: an invitation is shown once and used, a role and a password are changed, and a user signs out everywhere', {}, async (env) => {
  const admin = await openPage(env, '/');
  await signIn(admin, env.server.admin.email);
  await click(admin, 'People', 'nav');
  await choose(admin, '#invite-form [name=role]', 'manager');
  await click(admin, 'Invite', '#invite-form');
  await waitForText(admin, 'It is shown only this once', '#secret-dialog');
  const link = await admin.$eval('#secret', (field) => field.value);
  await click(admin, 'Close', '#secret-dialog');
  assert.equal(await admin.$eval('#secret', (field) => field.value), '');

  const joan = await openPage(env, link);
  await fill(joan, '#sign-up-form [name=username]', 'joan');
  await fill(joan, '#sign-up-form [name=email]', 'joan@example.com');
  await fill(joan, '#sign-up-form [name=password]', PASSWORD);
  await click(joan, 'Sign up');
  await control(joan, 'New task', 'main');
  const again = await openPage(env, link);
  await fill(again, '#sign-up-form [name=username]', 'eve');
  await fill(again, '#sign-up-form [name=email]', 'eve@example.com');
  await fill(again, '#sign-up-form [name=password]', PASSWORD);
  await click(again, 'Sign up');
  await waitForText(again, 'This link does not work');

  await admin.bringToFront();
  await choose(admin, '#approved-accounts [aria-label="Role of joan"]', 'employee');
  await click(admin, 'Change role: joan');
  await waitForAnnouncement(admin, 'joan is approved as employee.');
  await joan.bringToFront();
  await waitForText(joan, 'Your role is now employee.', '#notifications');

  await click(joan, 'Account of joan');
  await waitForText(joan, 'This device', '#sessions');
  assert.match(await joan.$eval('#sessions', (list) => list.textContent), /Firefox/);
  await fill(joan, '#profile-form [name=password]', 'another horse battery');
  await fill(joan, '#profile-form [name=current_password]', PASSWORD);
  await click(joan, 'Save', '#profile-form');
  await waitForAnnouncement(joan, 'Your account is updated.');
  await click(joan, 'Account of joan');
  // The button moves up when the lists above it are loaded.
  await waitFor(joan, () => !document.querySelector('#account-dialog [aria-busy=true]'));
  await click(joan, 'Sign out everywhere', '#account-dialog');
  await click(joan, 'Sign out everywhere', 'dialog.confirm');
  await waitForText(joan, 'You are signed out everywhere.');
});

browserTest('Firefox: an error in the console, an exception and a style that the policy refuses fail their test', {}, async (env) => {
  const html = '<!doctype html><p style="color: red"><script>console.error("first"); throw new Error("second")</script>';
  await openPage(env, await env.servePage(html, { 'Content-Security-Policy': "style-src 'none'" }));
  await assert.rejects(env.finish(), ({ actual }) => {
    const problems = actual.join('\n');
    return [/console error: first/, /page error: .*second/, /style-src/].every((expected) => expected.test(problems));
  });
});
