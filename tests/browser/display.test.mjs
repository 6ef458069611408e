// The board on displays of all kinds: a phone that is used by touch, a small or zoomed window, large text, and forced
// colours. Each test goes through all views of the board and looks at the same things in each.

import assert from 'node:assert/strict';
import { browserTest, checkAccessibility, PASSWORD } from './harness.mjs';
import {
  card, column, dialog, fillSignIn, openAccount, openPeople, openTask, PHONE, signIn, titleButton, waitForAnnouncement,
  waitForStatus,
} from './steps.mjs';

/** Opens each view of the board as an admin, and calls `look(page, view)` there. */
async function visitViews(env, options, look) {
  const ada = await env.server.createUser('ada');
  await env.server.signUp('linus');
  const inDays = (days) => new Date(Date.now() + days * 86_400_000).toISOString();
  await env.server.createTask({
    title: 'Water the plants and the Zimmerlindenblütenstaubfänger', description: 'Not the cactus.', deadline: inDays(-3), assigned_user_id: ada.id,
  });
  await env.server.createTask({ title: 'Order chairs', deadline: inDays(1), status: 'in_progress' });
  await env.server.createTask({ title: 'Call the plumber', deadline: inDays(40), status: 'completed' });
  const token = await env.server.signIn(env.server.admin);
  await env.server.request(201, 'POST', '/invitations', { token, body: { role: 'manager', email: 'zoe@example.com' } });

  const page = await env.openPage('/', options);
  await page.locator('#sign-in-form').waitFor();
  await look(page, 'sign in');
  await page.getByRole('button', { name: 'Create an account' }).click();
  await look(page, 'sign up');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await fillSignIn(page, env.server.admin.email, PASSWORD);
  await card(page, 'Call the plumber').waitFor();
  const filters = page.getByRole('button', { name: 'Filters' });
  if (await filters.isVisible()) await filters.click();
  await look(page, 'board');
  await titleButton(page, 'Call the plumber').scrollIntoViewIfNeeded();
  await look(page, 'last column');
  await openTask(page, 'Call the plumber');
  await look(page, 'task');
  await dialog(page).getByRole('button', { name: 'Delete' }).click();
  await look(page, 'confirmation');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click();
  await dialog(page).getByRole('button', { name: 'Cancel' }).click();

  await openPeople(page);
  await page.getByRole('button', { name: 'More: ada' }).click();
  await page.getByText('zoe@example.com').waitFor();
  await look(page, 'people');
  await page.getByRole('button', { name: 'Invite' }).click();
  await page.getByRole('dialog', { name: 'Invitation' }).waitFor();
  await look(page, 'secret');
  await dialog(page).getByRole('button', { name: 'Close' }).click();
  const account = await openAccount(page, 'grace');
  await account.getByText('New token').click();
  await look(page, 'account');
}

/**
 * Runs in the page: what the user cannot read or reach. The columns of the board may scroll sideways: they are one
 * next to the other on every display, as a table's are (WCAG 2.2, 1.4.10).
 */
function layoutProblems() {
  const problems = [];
  const describe = (element) => `${element.outerHTML.slice(0, 100)} “${element.textContent.trim().slice(0, 30)}”`;
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) problems.push('the page scrolls sideways');
  const root = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body;
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true })
    && !element.closest('.visually-hidden, .skip-link, datalist, option');
  const elements = [...root.querySelectorAll('*')].filter(isShown);
  for (const element of [root, ...elements]) {
    // Text scrolls in a field. The description is cut after two lines; the task's dialog has all of it.
    if (element.matches('.columns, input, select, textarea, .card-description')) continue;
    const { overflowX, overflowY } = getComputedStyle(element);
    const isCut = overflowX !== 'visible' && element.scrollWidth > element.clientWidth + 1
      || ['hidden', 'clip'].includes(overflowY) && element.scrollHeight > element.clientHeight + 1;
    if (isCut) problems.push(`cut off: ${describe(element)}`);
  }
  const boxes = elements.filter((element) => element.childElementCount === 0 && element.textContent.trim() || element.matches('input, select, textarea, button'))
    .flatMap((element) => [...element.getClientRects()].map((box) => [element, box]));
  for (const [element, box] of boxes) {
    const container = element.closest('.card, .entry, dialog, .panel, .filters, .top-bar');
    const limit = container?.getBoundingClientRect();
    if (limit && (box.right > limit.right + 1 || box.left < limit.left - 1)) problems.push(`sticks out: ${describe(element)}`);
    for (const [other, otherBox] of boxes) {
      const isSeparate = element !== other && !element.contains(other) && !other.contains(element);
      const width = Math.min(box.right, otherBox.right) - Math.max(box.left, otherBox.left);
      const height = Math.min(box.bottom, otherBox.bottom) - Math.max(box.top, otherBox.top);
      const isInOneCard = element.closest('.scroll-container') === other.closest('.scroll-container');
      if (isSeparate && isInOneCard && width > 1 && height > 1) problems.push(`overlap: ${describe(element)} and ${describe(other)}`);
    }
  }
  return problems;
}

/** Runs in the page: the controls that are smaller than 24 pixels (WCAG 2.2, 2.5.8), except those inside a sentence. */
function smallTargets() {
  const root = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body;
  return [...root.querySelectorAll('a, button, input, select, textarea, summary')].filter((element) => {
    const { width, height } = element.getBoundingClientRect();
    const isShown = element.checkVisibility() && !element.matches('.skip-link');
    const isInSentence = element.matches('p > .link-button');
    return isShown && !isInSentence && (width < 24 || height < 24);
  }).map((element) => `${element.outerHTML} ${JSON.stringify(element.getBoundingClientRect())}`);
}

async function checkLayout(page, view) {
  assert.deepEqual(await page.evaluate(layoutProblems), [], view);
}

// A window of 1280 × 1024 has 640 × 512 CSS pixels at 200 % zoom, and 320 × 256 at 400 %.
for (const [display, options] of Object.entries({
  'a window zoomed to 200 %': { viewport: { width: 640, height: 512 } },
  'a window zoomed to 400 %': { viewport: { width: 320, height: 256 } },
  'text at 200 %': { viewport: { width: 1280, height: 1024 }, fontSize: 32 },
  'a phone': PHONE,
  'a phone with text at 200 %': { ...PHONE, fontSize: 32 },
})) {
  browserTest(`nothing is cut off, overlaps or makes the page scroll sideways: ${display}`, {}, async (env) => {
    await visitViews(env, options, checkLayout);
  });
}

browserTest('on a phone every control is large enough for a finger', {}, async (env) => {
  await visitViews(env, PHONE, async (page, view) => assert.deepEqual(await page.evaluate(smallTargets), [], view));
});

browserTest('a user with a phone takes a task through its life with taps', {}, async (env) => {
  const page = await env.openPage('/', PHONE);
  const tap = (name, root = page) => root.getByRole('button', { name }).tap();
  const enter = async (field, text) => {
    await field.tap();
    await field.and(page.locator(':focus')).waitFor();
    // As the keyboard on the screen does, which presses no keys.
    await field.fill(text);
  };
  await enter(page.locator('#sign-in-form').getByLabel('E-mail'), env.server.admin.email);
  await enter(page.locator('#sign-in-form').getByLabel('Password'), PASSWORD);
  await tap('Sign in');
  await tap('New task');
  await enter(dialog(page).getByLabel('Title'), 'Water the plants');
  await tap('Save', dialog(page));
  await card(page, 'Water the plants', 'To do').waitFor();

  await tap('Move “Water the plants” to In progress');
  await waitForStatus(env, 1, 'in_progress');
  await titleButton(page, 'Water the plants', 'In progress').tap();
  await dialog(page).waitFor();
  await enter(dialog(page).getByLabel('Description'), 'Not the cactus.');
  await tap('Save', dialog(page));
  await card(page, 'Water the plants').getByText('Not the cactus.').waitFor();

  await tap('Filters');
  const search = page.getByRole('search', { name: 'Tasks' });
  await search.getByLabel('Due').selectOption('past');
  await waitForAnnouncement(page, 'To do: 0, In progress: 0, Done: 0');
  await search.getByLabel('Due').selectOption('');
  await enter(search.getByLabel('Search'), 'cactus');
  await waitForAnnouncement(page, 'To do: 0, In progress: 1, Done: 0');
  await tap('Filters');

  await titleButton(page, 'Water the plants').tap();
  await tap('Delete', dialog(page));
  await tap('Delete', page.getByRole('alertdialog'));
  await column(page, 'In progress').getByText('No tasks here.').waitFor();
  await tap('Sign out');
  await page.getByText('You are signed out.').waitFor();
});

for (const colorScheme of ['light', 'dark']) {
  browserTest(`in forced colours borders show controls, the focus and what is urgent: ${colorScheme}`, {}, async (env) => {
    await visitViews(env, { forcedColors: 'active', colorScheme }, async (page, view) => {
      assert.deepEqual(await page.evaluate(controlsWithoutBorder), [], view);
      await page.keyboard.press('Tab');
      const [outline, element] = await page.evaluate(() => [
        getComputedStyle(document.activeElement).outlineStyle, document.activeElement.outerHTML.slice(0, 120),
      ]);
      assert.equal(outline, 'solid', `${view}: ${element}`);
      // axe-core compares the colours of the style sheet, which are not those on the screen.
      await checkAccessibility(page, { html: ['color-contrast'] });
    });
  });
}

/** Runs in the page: the controls that no border and no underline shows. The border of a task's title is its card's. */
function controlsWithoutBorder() {
  const hasBorder = (element) => {
    const { borderTopStyle, borderTopWidth, borderTopColor, textDecorationLine } = getComputedStyle(element);
    const isTransparent = /^rgba.*, 0\)$/.test(borderTopColor);
    return textDecorationLine === 'underline' || borderTopStyle !== 'none' && parseFloat(borderTopWidth) >= 1 && !isTransparent;
  };
  return [...document.querySelectorAll('button, input, select, textarea, summary, [aria-current], .badge')]
    .filter((element) => element.checkVisibility() && !hasBorder(element.closest('.card-title') ? element.closest('.card') : element))
    .map((element) => element.outerHTML);
}

browserTest('in forced colours an urgent deadline has words and a border of its own', {}, async (env) => {
  const inDays = (days) => new Date(Date.now() + days * 86_400_000).toISOString();
  await env.server.createTask({ title: 'Water the plants', deadline: inDays(-3) });
  await env.server.createTask({ title: 'Order chairs', deadline: inDays(1.5) });
  await env.server.createTask({ title: 'Call the plumber', deadline: inDays(40) });
  const page = await signIn(env, env.server.admin, { forcedColors: 'active' });
  await card(page, 'Call the plumber').waitFor();
  const deadlines = await page.locator('.deadline').evaluateAll((lines) => lines.map((line) =>
    [line.textContent.split(' ').slice(0, 2).join(' '), getComputedStyle(line).borderTopWidth]));
  assert.deepEqual(deadlines.map(([text, border]) => [text.replace(/Due \d+/, 'Due on'), border]), [
    ['Overdue by', '1px'], ['Due in', '1px'], ['Due on', '0px'],
  ]);
});
