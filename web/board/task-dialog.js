// One task: made, looked at, changed, deleted.

import { get, newKey, patch, post, remove } from './api.js';
import { byId, clearProblem, confirmed, onSubmit, part, setOptions, showProblem } from './dom.js';
import { Failure, failureOf } from './failure.js';
import { showFailure } from './notices.js';
import { accountNamed, nameOf, suggestAccounts } from './people.js';
import { STATUSES, titleOf } from './task.js';
import { fromField, inFull, toField } from './time.js';

const dialog = byId('task-dialog');
const form = dialog.querySelector('form');
const fields = form.elements;

/**
 * What was opened last: the task as it was read, its version and the name of its assignee; whether its user manages
 * tasks; in the end what came of it. An answer for what was opened before is too late.
 */
let opened = null;

/**
 * Opens a task, or an empty form for a new one, and waits until it is closed. Returns `{ saved }`, `{ deleted }` or
 * nothing in an object.
 */
export async function openTask(task, user) {
  const mine = { task, manages: user.role !== 'employee', result: {} };
  opened = mine;
  try {
    await read(mine);
  } catch (error) {
    showFailure(failureOf(error).of(`“${titleOf(task)}” cannot be opened.`));
    return {};
  }
  if (opened !== mine) return {};
  fill(mine);
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
  return mine.result;
}

/** Reads the task as it is now, with the version that a change will name. */
async function read(mine) {
  if (!mine.task) return;
  const { json, version } = await get(`tasks/${mine.task.id}`);
  const id = mine.manages && json.assigned_user_id;
  Object.assign(mine, { task: json, version, assignee: id ? await nameOf(id) : '' });
}

function fill(mine) {
  const { task, manages, assignee } = mine;
  clearProblem(form);
  form.ariaBusy = 'false';
  byId('task-dialog-title').textContent = task ? 'Task' : 'New task';
  fields.title.value = task?.title ?? '';
  fields.description.value = task?.description ?? '';
  fields.status.value = task?.status ?? 'pending';
  fields.deadline.value = toField(task?.deadline);
  fields.assignee.value = assignee ?? '';
  for (const name of ['title', 'description', 'deadline']) fields[name].readOnly = !manages;
  part(form, 'assignee').hidden = !manages;
  part(form, 'delete').hidden = !task || !manages;
  part(form, 'reload').hidden = true;
  part(form, 'facts').textContent = task?.created_at ? `Made on ${inFull(task.created_at)}` : '';
  // A field holds minutes: a deadline that nobody touches keeps its seconds.
  mine.deadline = fields.deadline.value;
}

/** What the form says that the task does not say yet. */
async function changes({ task, manages, assignee, deadline }) {
  const changed = {};
  const note = (name, value, before) => { if (value !== before) changed[name] = value; };
  note('status', fields.status.value, task?.status);
  if (!manages) return changed;
  note('title', fields.title.value, task?.title);
  note('description', fields.description.value || null, task?.description || null);
  // Half a date reads as none, and would clear the deadline.
  if (fields.deadline.validity.badInput) throw Failure.at({ deadline: 'Give the day and the time.' });
  if (fields.deadline.value !== deadline) changed.deadline = fromField(fields.deadline.value);
  const name = fields.assignee.value.trim();
  if (name !== (assignee ?? '')) {
    changed.assigned_user_id = name ? (await accountNamed(name, 'assignee')).id : null;
  }
  return changed;
}

onSubmit(form, () => conclude(async (mine) => {
  const changed = await changes(mine);
  if (!mine.task) return { saved: await make(mine, changed) };
  if (Object.keys(changed).length === 0) return {};
  return { saved: (await patch(`tasks/${mine.task.id}`, changed, mine.version)).json };
}));

/** Sends a new task; the same one again has the same key, and is made once. */
async function make(mine, task) {
  const body = JSON.stringify(task);
  if (mine.sent !== body) Object.assign(mine, { sent: body, key: newKey() });
  return (await post('tasks', task, mine.key)).json;
}

part(form, 'delete').addEventListener('click', () => conclude(async ({ task, version }) => {
  if (!await confirmed(`Delete “${titleOf(task)}”? It cannot be brought back.`, 'Delete')) return null;
  await remove(`tasks/${task.id}`, version);
  return { deleted: task };
}));

/** Does what closes the dialog, unless it comes to nothing; says in the dialog why it failed. */
async function conclude(act) {
  const mine = opened;
  try {
    const result = await act(mine);
    if (!result) return;
    mine.result = result;
    if (opened === mine) dialog.close();
  } catch (error) {
    if (opened !== mine) return;
    showProblem(form, error);
    part(form, 'reload').hidden = error.code !== 'precondition_failed';
  }
}

part(form, 'reload').addEventListener('click', () => conclude(async (mine) => {
  await read(mine);
  fill(mine);
  fields.title.focus();
}));

part(form, 'cancel').addEventListener('click', () => dialog.close());
setOptions(fields.status, STATUSES);
suggestAccounts(fields.assignee);
