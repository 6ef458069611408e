// One task: made, looked at, changed, deleted.

import { failureOf, get, newKey, patch, post, remove } from './api.js';
import { byId, confirmed, onSubmit, part, setOptions, showProblem } from './dom.js';
import { showFailure } from './notices.js';
import { accountNamed, nameOf, suggestAccounts } from './people.js';
import { STATUSES } from './task.js';
import { fromField, inFull, toField } from './time.js';

const dialog = byId('task-dialog');
const form = dialog.querySelector('form');
const fields = form.elements;
/** What the dialog is about: the task as it was read and its version, and whether its user manages tasks. */
let shown = {};
let result = {};

/**
 * Opens a task, or an empty form for a new one, and waits until it is closed. Returns `{ saved }`, `{ deleted }` or
 * nothing.
 */
export async function openTask(task, user) {
  result = {};
  shown = { task, manages: user.role !== 'employee' };
  showProblem(form);
  try {
    await (task ? load() : fill());
  } catch (error) {
    showFailure(failureOf(error));
    return result;
  }
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
  return result;
}

async function fill() {
  const { task, manages } = shown;
  byId('task-dialog-title').textContent = task ? 'Task' : 'New task';
  fields.title.value = task?.title ?? '';
  fields.description.value = task?.description ?? '';
  fields.status.value = task?.status ?? 'pending';
  fields.deadline.value = toField(task?.deadline);
  fields.assignee.value = '';
  for (const name of ['title', 'description', 'deadline']) fields[name].readOnly = !manages;
  part(form, 'assignee').hidden = !manages;
  part(form, 'delete').hidden = !task || !manages;
  part(form, 'reload').hidden = true;
  part(form, 'facts').textContent = task?.created_at ? `Made on ${inFull(task.created_at)}` : '';
  if (manages && task?.assigned_user_id) {
    shown.assignee = await nameOf(task.assigned_user_id);
    fields.assignee.value = shown.assignee;
  }
}

/** Reads the task as it is now, with the version that a change will name. */
async function load() {
  const { json, version } = await get(`tasks/${shown.task.id}`);
  Object.assign(shown, { task: json, version });
  showProblem(form);
  await fill();
}

/** What the form says that the task does not say yet. */
async function changes() {
  const { task, manages, assignee } = shown;
  const changed = {};
  const note = (name, value, before) => { if (value !== before) changed[name] = value; };
  note('status', fields.status.value, task?.status);
  if (!manages) return changed;
  note('title', fields.title.value, task?.title);
  note('description', fields.description.value || null, task?.description || null);
  // A field holds minutes: a deadline that nobody touched keeps its seconds.
  if (fields.deadline.value !== toField(task?.deadline)) changed.deadline = fromField(fields.deadline.value);
  const name = fields.assignee.value.trim();
  if (name !== (task ? assignee ?? '' : '')) {
    changed.assigned_user_id = name ? (await accountNamed(name, 'assignee')).id : null;
  }
  return changed;
}

onSubmit(form, async () => {
  const { task, version } = shown;
  const changed = await changes();
  try {
    if (!task) result = { saved: await make(changed) };
    else if (Object.keys(changed).length > 0) {
      result = { saved: (await patch(`tasks/${task.id}`, changed, version)).json };
    }
  } catch (error) {
    part(form, 'reload').hidden = failureOf(error).code !== 'precondition_failed';
    if (error.fields?.assigned_user_id) error.fields.assignee = error.fields.assigned_user_id;
    throw error;
  }
  dialog.close();
});

/** Sends a new task; the same one again has the same key, and is made once. */
async function make(task) {
  const body = JSON.stringify(task);
  if (shown.sent !== body) Object.assign(shown, { sent: body, key: newKey() });
  return (await post('tasks', task, shown.key)).json;
}

part(form, 'delete').addEventListener('click', async () => {
  const { task, version } = shown;
  if (!await confirmed(`Delete “${task.title}”? It cannot be brought back.`, 'Delete')) return;
  try {
    await remove(`tasks/${task.id}`, version);
    result = { deleted: task };
    dialog.close();
  } catch (error) {
    const failure = failureOf(error);
    part(form, 'reload').hidden = failure.code !== 'precondition_failed';
    showProblem(form, failure);
  }
});

part(form, 'reload').addEventListener('click', () => load().catch((error) => showProblem(form, failureOf(error))));
part(form, 'cancel').addEventListener('click', () => dialog.close());
setOptions(fields.status, STATUSES);
suggestAccounts(fields.assignee);
