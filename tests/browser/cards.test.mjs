// Cards: deadlines, tasks that another program has written, and text of every direction.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { browserTest, checkAccessibility, PASSWORD } from './harness.mjs';
import {
  card, column, dialog, drag, fetchTask, openAccount, openPeople, openTask, signIn, titleButton, waitForStatus,
} from './steps.mjs';

browserTest('a deadline without a time is the end of the day, and a year of two digits is one of this century', {}, async (env) => {
  const page = await signIn(env, env.server.admin, { timezoneId: 'Europe/Berlin' });
  await page.getByRole('button', { name: 'New task' }).click();
  await dialog(page).getByLabel('Title').fill('Water the plants');
  await dialog(page).getByLabel('Deadline').fill('0031-05-01');
  await dialog(page).getByLabel('Deadline').blur();
  assert.equal(await dialog(page).getByLabel('Deadline').inputValue(), '2031-05-01');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await card(page, 'Water the plants').getByText('Due 1 May 2031').waitFor();
  assert.equal((await fetchTask(env, 1)).deadline, '2031-05-01T21:59:00.000000Z');
  await openTask(page, 'Water the plants');
  assert.equal(await dialog(page).getByLabel('Time').inputValue(), '');
  await dialog(page).getByLabel('Time').fill('08:15');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await dialog(page).waitFor({ state: 'hidden' });
  assert.equal((await fetchTask(env, 1)).deadline, '2031-05-01T06:15:00.000000Z');
  await openTask(page, 'Water the plants');
  assert.equal(await dialog(page).getByLabel('Time').inputValue(), '08:15');
  await dialog(page).getByLabel('Deadline').fill('');
  await dialog(page).getByLabel('Time').fill('');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await dialog(page).waitFor({ state: 'hidden' });
  assert.equal((await fetchTask(env, 1)).deadline, null);
});

browserTest('a deadline is typed with the keyboard', {}, async (env) => {
  const { id } = await env.server.createTask({ title: 'Water the plants', deadline: '2026-12-01T23:59:00Z' });
  const page = await signIn(env, env.server.admin);
  const field = dialog(page).getByLabel('Deadline');
  const deadline = async () => (await fetchTask(env, id)).deadline;
  const typeAndSave = async (keys) => {
    await openTask(page, 'Water the plants');
    await field.focus();
    for (const key of keys) await page.keyboard.press(key);
    await page.keyboard.press('Enter');
  };
  for (const [keys, expected] of [
    ['12242027', '2027-12-24'], [['Tab', 'Tab', ...'2028'], '2028-12-24'], ['123130', '2030-12-31'],
  ]) {
    await typeAndSave(keys);
    await dialog(page).waitFor({ state: 'hidden' });
    assert.equal(await deadline(), `${expected}T23:59:00.000000Z`);
  }
  await typeAndSave(['Tab', 'Tab', '7']);
  await dialog(page).getByText('Enter the year with four digits.').waitFor();
  for (const key of ['Backspace', 'Enter']) await page.keyboard.press(key);
  await dialog(page).getByText('Enter the whole date.').waitFor();
  assert.equal(await deadline(), '2030-12-31T23:59:00.000000Z');
});

browserTest('a deadline in the first century stays as it is until it is changed', {}, async (env) => {
  const { id } = await env.server.createTask({ title: 'Water the plants', deadline: '0026-05-01T10:00:00Z' });
  const page = await signIn(env, env.server.admin);
  await openTask(page, 'Water the plants');
  await dialog(page).getByLabel('Deadline').focus();
  await dialog(page).getByLabel('Title').focus();
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await dialog(page).waitFor({ state: 'hidden' });
  assert.deepEqual(env.requests.filter((request) => request.startsWith('PATCH')), []);
  assert.equal((await fetchTask(env, id)).deadline, '0026-05-01T10:00:00.000000Z');
});

browserTest('an incomplete date or time is an error at its field, and saves nothing', {}, async (env) => {
  const page = await signIn(env, env.server.admin);
  await page.getByRole('button', { name: 'New task' }).click();
  await dialog(page).getByLabel('Title').fill('Water the plants');
  const save = dialog(page).getByRole('button', { name: 'Save' });
  const [date, time] = ['Deadline', 'Time'].map((label) => dialog(page).getByLabel(label));
  await time.fill('08:15');
  await save.click();
  await dialog(page).getByText('Enter the whole date.').waitFor();
  await date.focus();
  await page.keyboard.type('01');
  await save.click();
  await dialog(page).getByText('Enter the whole date.').waitFor();
  await date.fill('0202-05-01');
  await save.click();
  await dialog(page).getByText('Enter the year with four digits.').waitFor();
  await date.fill('2031-05-01');
  await time.fill('');
  await time.focus();
  await page.keyboard.type('08');
  await save.click();
  await dialog(page).getByText('Enter hours and minutes').waitFor();
  await checkAccessibility(page);
  await time.fill('08:15');
  await save.click();
  await card(page, 'Water the plants', 'To do').waitFor();
});

/** Changes the database as another program would. */
function execute(env, sql) {
  const script = 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute(sys.argv[2]); db.commit()';
  execFileSync('python3', ['-c', script, `${env.folder}/project.db`, sql]);
}

/** Writes a row as the Flask app does. */
const insertTask = (env, columns, values) => execute(env, `INSERT INTO task (${columns}) VALUES (${values})`);

browserTest('an account with the id of a deleted one is not “you” in its history', {}, async (env) => {
  const boss = await env.server.createUser('oldboss', 'manager');
  const token = await env.server.signIn(boss);
  await env.server.request(201, 'POST', '/tasks', { token, body: { title: 'Water the plants' } });
  execute(env, `DELETE FROM user WHERE id = ${boss.id}`);
  const next = await env.server.createUser('newboss', 'manager');
  execute(env, `UPDATE user SET id = ${boss.id} WHERE id = ${next.id}`);
  const page = await signIn(env, next);
  await openTask(page, 'Water the plants');
  await dialog(page).getByText('History').click();
  await dialog(page).getByText('oldboss created it.').waitFor();
});

browserTest('tasks with a status of another program are shown and can be moved', {}, async (env) => {
  insertTask(env, 'title, status', "'From Flask', 'on hold'");
  insertTask(env, 'title, status', "'Without a status', NULL");
  const page = await signIn(env, env.server.admin);
  await card(page, 'From Flask', 'Other').waitFor();
  await checkAccessibility(page);
  await openTask(page, 'From Flask');
  assert.equal(await dialog(page).getByLabel('Status').evaluate((field) => field.selectedOptions[0].text), 'on hold');
  await dialog(page).getByLabel('Title').fill('From the Flask app');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await card(page, 'From the Flask app', 'Other').waitFor();
  assert.equal((await fetchTask(env, 1)).status, 'on hold');
  await card(page, 'From the Flask app').getByRole('button', { name: /to To do/ }).click();
  await waitForStatus(env, 1, 'pending');
  await drag(page, 'Without a status', 'Done');
  await waitForStatus(env, 2, 'completed');
  // The column goes with its last task.
  await column(page, 'Other').waitFor({ state: 'hidden' });
});

browserTest('text is laid out by its own direction, and directional marks stay inside their card', {}, async (env) => {
  const [hebrew, hostile] = ['לקנות חלב 123', 'evil \u202e\u2066\u2067 txt'];
  await env.server.createTask({ title: hebrew, description: 'אחת\nTwo' });
  await env.server.createTask({ title: hostile, description: '\u202eabc' });
  await env.server.createTask({ title: 'Plain' });
  const page = await signIn(env, env.server.admin);
  await titleButton(page, 'Plain').waitFor();
  const titleOf = (text) => page.locator('.card-title').filter({ hasText: text });
  assert.equal(await titleOf('לקנות').evaluate((element) => getComputedStyle(element).direction), 'rtl');
  assert.equal(await titleOf('Plain').evaluate((element) => getComputedStyle(element).direction), 'ltr');
  // A sentence around a title has no unbalanced marks.
  const label = await page.locator('.card').filter({ hasText: 'evil' }).locator('[data-part="move-right"]').getAttribute('aria-label');
  assert.equal(label, 'Move “\u2068evil  txt\u2069” to In progress');
  await page.locator('.card').filter({ hasText: 'evil' }).locator('[data-part="move-right"]').click();
  await page.locator('#announcer').getByText('“\u2068evil  txt\u2069” moved to In progress.').waitFor();
  // What comes after the title on the same card starts at the left again.
  const isLeft = await page.locator('.card').filter({ hasText: 'evil' }).evaluate((element) => {
    const box = element.querySelector('.card-footer').getBoundingClientRect();
    const button = element.querySelector('.assignee').getBoundingClientRect();
    return button.left - box.left < box.width / 2;
  });
  assert.ok(isLeft);
});

browserTest('directional marks in the names of accounts and tokens stay inside the name', {}, async (env) => {
  const { id } = await env.server.signUp('zed');
  const hostile = 'zed\u202e';
  execute(env, `UPDATE user SET username = '${hostile}' WHERE id = ${id}`);
  const token = await env.server.signIn(env.server.admin);
  await env.server.request(201, 'POST', '/me/tokens', { token, body: { name: 'report\u202e', scope: 'read', current_password: PASSWORD } });
  const page = await signIn(env, env.server.admin);
  await openPeople(page);
  await page.getByRole('button', { name: 'Delete: \u2068zed\u2069', exact: true }).click();
  await page.getByRole('alertdialog').getByText('Delete the account of \u2068zed\u2069? Its tasks').waitFor();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click();
  const account = await openAccount(page, 'grace');
  await account.getByRole('button', { name: /^Revoke: \u2068report\u2069, / }).click();
  await page.getByRole('alertdialog').getByText('Revoke the token “\u2068report\u2069”? Scripts').waitFor();
  assert.equal(await account.locator('#tokens bdi').textContent(), 'report\u202e');
});
