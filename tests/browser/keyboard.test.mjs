// The board with the keyboard alone: no step uses the mouse, and after each key the focus is where the user can see it.

import assert from 'node:assert/strict';
import { browserTest, PASSWORD } from './harness.mjs';
import { column, dialog, fetchTask, signIn, titleButton, waitForAnnouncement } from './steps.mjs';

/** Presses keys. After each the focus is on an element that is in view, uncovered, and marked if it is a control. */
async function press(page, ...keys) {
  for (const key of keys) {
    await page.keyboard.press(key);
    assert.equal(await page.evaluate(focusProblem), null, `after ${key}`);
  }
}

/** Runs in the page: what is wrong with the focus, or null. */
function focusProblem() {
  const element = document.activeElement;
  if (element === document.body) return 'the focus is lost';
  const name = element.outerHTML.slice(0, 120);
  // Headings and the main element take the focus from the script, to be read out. They have no mark.
  if (element.tabIndex < 0) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  if (outlineStyle === 'none' || parseFloat(outlineWidth) < 2) return `the focus has no mark: ${name}`;
  const { left, right, top, bottom } = element.getBoundingClientRect();
  if (left < 0 || right > innerWidth || bottom < 0 || top > innerHeight) return `the focus is out of view: ${name}`;
  const [line] = element.getClientRects(); // A link may have several lines, and the page's text between them.
  const shown = document.elementFromPoint((line.left + line.right) / 2, (line.top + line.bottom) / 2);
  return element.contains(shown) ? null : `the focus is covered: ${name}`;
}

const hasFocus = (locator) => locator.evaluate((element) => element === document.activeElement);
const focusedText = (page) => page.evaluate(() => document.activeElement.textContent);

/** Presses Tab, or Shift+Tab, until an element has the focus. */
async function tabTo(page, locator, key = 'Tab') {
  await locator.waitFor();
  for (let count = 0; !await hasFocus(locator); count += 1) {
    assert.ok(count < 40, `${key} does not reach ${locator}`);
    await press(page, key);
  }
}

const waitForFocus = (page, text) => page.waitForFunction((text) => document.activeElement.textContent === text, text);

browserTest('a user with only a keyboard takes a task through its life, and always sees where the focus is', {}, async (env) => {
  const page = await env.openPage('/');
  await page.locator('#sign-in-form').waitFor();
  await press(page, 'Tab');
  assert.equal(await focusedText(page), 'Skip to content');
  await press(page, 'Enter', 'Tab');
  assert.equal(await page.evaluate(() => document.activeElement.name), 'email');
  await page.keyboard.type(env.server.admin.email);
  await press(page, 'Tab');
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await waitForFocus(page, 'Tasks');

  const newTask = page.getByRole('button', { name: 'New task' });
  await tabTo(page, newTask);
  await press(page, 'Enter');
  assert.ok(await hasFocus(dialog(page).getByLabel('Title')));
  await page.keyboard.type('Water the plants');
  await tabTo(page, dialog(page).getByLabel('Description'));
  await page.keyboard.type('Not the cactus.');
  await tabTo(page, dialog(page).getByRole('button', { name: 'Save' }));
  await page.keyboard.press('Space');
  await waitForAnnouncement(page, '“Water the plants” is saved.');
  assert.ok(await hasFocus(newTask), 'the dialog returns the focus to the button that opened it');

  await tabTo(page, titleButton(page, 'Water the plants', 'To do'));
  await press(page, 'Shift+ArrowRight');
  await waitForAnnouncement(page, '“Water the plants” moved to In progress.');
  await press(page, 'Shift+ArrowRight', 'Shift+ArrowLeft');
  assert.ok(await hasFocus(titleButton(page, 'Water the plants', 'In progress')));

  await page.keyboard.press('Enter');
  await dialog(page).waitFor();
  await page.keyboard.press('End');
  await page.keyboard.type(' again');
  await page.keyboard.press('Enter');
  await waitForAnnouncement(page, '“Water the plants again” is saved.');
  assert.ok(await hasFocus(titleButton(page, 'Water the plants again', 'In progress')));
  assert.equal((await fetchTask(env, 1)).status, 'in_progress');

  const search = page.getByRole('search', { name: 'Tasks' }).getByLabel('Search');
  await tabTo(page, search, 'Shift+Tab');
  await page.keyboard.type('fern');
  await waitForAnnouncement(page, 'To do: 0, In progress: 0, Done: 0');
  await press(page, 'Control+a', 'Delete');
  await waitForAnnouncement(page, 'To do: 0, In progress: 1, Done: 0');
  assert.ok(await hasFocus(search));

  await tabTo(page, titleButton(page, 'Water the plants again'));
  await page.keyboard.press('Enter');
  const deletion = dialog(page).getByRole('button', { name: 'Delete' });
  await tabTo(page, deletion);
  await press(page, 'Enter');
  const confirmation = page.getByRole('alertdialog');
  await tabTo(page, confirmation.getByRole('button', { name: 'Cancel' }));
  await press(page, 'Enter');
  assert.ok(await hasFocus(deletion), 'the confirmation returns the focus');
  await press(page, 'Enter');
  await tabTo(page, confirmation.getByRole('button', { name: 'Delete' }));
  await page.keyboard.press('Enter');
  await waitForAnnouncement(page, '“Water the plants again” is deleted.');
  await column(page, 'In progress').getByText('No tasks here.').waitFor();
  assert.equal(await focusedText(page), 'In progress 0');

  await tabTo(page, page.getByRole('button', { name: 'Sign out' }), 'Shift+Tab');
  await page.keyboard.press('Enter');
  await page.getByText('You are signed out.').waitFor();
  await waitForFocus(page, 'Sign in');
});

browserTest('a dialog keeps the focus until it is closed with Escape, and gives it back', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  await waitForFocus(page, 'Tasks');
  for (const [opener, name] of [[page.getByRole('button', { name: 'New task' }), 'New task'],
    [page.getByRole('button', { name: 'Account of grace' }), 'Your account']]) {
    await tabTo(page, opener, name === 'New task' ? 'Tab' : 'Shift+Tab');
    await page.keyboard.press('Enter');
    const opened = page.getByRole('dialog', { name });
    await opened.waitFor();
    let rounds = 0;
    for (let count = 0; rounds < 2; count += 1) {
      assert.ok(count < 60);
      await page.keyboard.press('Tab');
      // After the last control Tab leads to the browser's own buttons, and from there to the first control.
      const isInside = await opened.evaluate((dialog) => dialog.contains(document.activeElement));
      const isInBrowser = await page.evaluate(() => document.activeElement === document.body);
      assert.ok(isInside || isInBrowser, await page.evaluate(() => document.activeElement.outerHTML));
      if (isInBrowser) rounds += 1;
      else assert.equal(await page.evaluate(focusProblem), null);
    }
    await page.keyboard.press('Escape');
    await opened.waitFor({ state: 'hidden' });
    assert.ok(await hasFocus(opener), name);
  }
});
