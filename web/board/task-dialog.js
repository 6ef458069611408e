// The dialog that creates, shows, changes and deletes a task. Changes use optimistic concurrency: the
// request names the ETag that was read (If-Match), so it fails with 412 instead of overwriting the change
// of another user.

import { accountName, findAccount, suggestAccountNames } from './account-names.js';
import { get, newIdempotencyKey, patch, post, remove } from './api.js';
import { AppError, toAppError } from './app-error.js';
import { byId, clearFormError, confirmDialog, onSubmit, part, setOptions, showFormError } from './dom.js';
import { showErrorNotification } from './notifications.js';
import { STATUSES, taskTitle } from './task.js';
import { formatDateTime, fromFieldValue, toFieldValue } from './time.js';

const dialog = byId('task-dialog');
const form = dialog.querySelector('form');
const fields = form.elements;

/**
 * The state of the dialog since it was last opened: the `task` as it was read (null: a new one), its
 * `version`, the name of its `assignee`, the value of the `deadline` field, whether the user `canManage`
 * tasks, and the `result`. Each opening has a state object of its own: code that waited for a response
 * compares it to find out that the dialog has moved on.
 */
let current = null;

/**
 * Opens the dialog for a task, or for a new one if `task` is null, and waits until it is closed. Resolves to
 * `{ saved: task }`, `{ deleted: task }` or `{}`.
 */
export async function openTask(task, user) {
  const state = { task, canManage: user.role !== 'employee', result: {} };
  current = state;
  try {
    await loadTask(state);
  } catch (error) {
    showErrorNotification(toAppError(error).withPrefix(`“${taskTitle(task)}” cannot be opened.`));
    return {};
  }
  if (current !== state) return {};
  fillForm(state);
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
  return state.result;
}

/** Reads the current task, and the version for If-Match. */
async function loadTask(state) {
  if (!state.task) return;
  const { json, version } = await get(`tasks/${state.task.id}`);
  const assigneeId = state.canManage && json.assigned_user_id;
  Object.assign(state, { task: json, version, assignee: assigneeId ? await accountName(assigneeId) : '' });
}

function fillForm(state) {
  const { task, canManage, assignee } = state;
  clearFormError(form);
  form.ariaBusy = 'false';
  byId('task-dialog-title').textContent = task ? 'Task' : 'New task';
  fields.title.value = task?.title ?? '';
  fields.description.value = task?.description ?? '';
  fields.status.value = task?.status ?? 'pending';
  fields.deadline.value = toFieldValue(task?.deadline);
  fields.assignee.value = assignee ?? '';
  for (const name of ['title', 'description', 'deadline']) fields[name].readOnly = !canManage;
  part(form, 'assignee').hidden = !canManage;
  part(form, 'delete').hidden = !task || !canManage;
  part(form, 'reload').hidden = true;
  part(form, 'details').textContent = task?.created_at ? `Created on ${formatDateTime(task.created_at)}` : '';
  // The field has no seconds. If its value does not change, the deadline is not sent and keeps them.
  state.deadline = fields.deadline.value;
}

/** Resolves to the fields that differ from the task, as the body of a PATCH or POST. */
async function changedFields({ task, canManage, assignee, deadline }) {
  const changes = {};
  const addIfChanged = (name, value, before) => { if (value !== before) changes[name] = value; };
  addIfChanged('status', fields.status.value, task?.status);
  if (!canManage) return changes;
  addIfChanged('title', fields.title.value, task?.title);
  addIfChanged('description', fields.description.value || null, task?.description || null);
  // The value of an incomplete date is empty, and would delete the deadline.
  if (fields.deadline.validity.badInput) throw AppError.forFields({ deadline: 'Enter the date and the time.' });
  if (fields.deadline.value !== deadline) changes.deadline = fromFieldValue(fields.deadline.value);
  const name = fields.assignee.value.trim();
  if (name !== (assignee ?? '')) {
    changes.assigned_user_id = name ? (await findAccount(name, 'assignee')).id : null;
  }
  return changes;
}

onSubmit(form, () => runAndClose(async (state) => {
  const changes = await changedFields(state);
  if (!state.task) return { saved: await createTask(state, changes) };
  if (Object.keys(changes).length === 0) return {};
  return { saved: (await patch(`tasks/${state.task.id}`, changes, state.version)).json };
}));

/** Creates a task. The same data is sent with the same idempotency key: a retry creates no second task. */
async function createTask(state, task) {
  const body = JSON.stringify(task);
  if (state.sentBody !== body) Object.assign(state, { sentBody: body, idempotencyKey: newIdempotencyKey() });
  return (await post('tasks', task, state.idempotencyKey)).json;
}

part(form, 'delete').addEventListener('click', () => runAndClose(async ({ task, version }) => {
  if (!await confirmDialog(`Delete “${taskTitle(task)}”? This cannot be undone.`, 'Delete')) return null;
  await remove(`tasks/${task.id}`, version);
  return { deleted: task };
}));

/** Runs an action and closes the dialog with its result. Without a result or after an error it stays open. */
async function runAndClose(action) {
  const state = current;
  try {
    const result = await action(state);
    if (!result) return;
    state.result = result;
    if (current === state) dialog.close();
  } catch (error) {
    if (current !== state) return;
    showFormError(form, error);
    part(form, 'reload').hidden = error.code !== 'precondition_failed';
  }
}

part(form, 'reload').addEventListener('click', () => runAndClose(async (state) => {
  await loadTask(state);
  fillForm(state);
  fields.title.focus();
}));

part(form, 'cancel').addEventListener('click', () => dialog.close());
setOptions(fields.status, STATUSES);
suggestAccountNames(fields.assignee);
