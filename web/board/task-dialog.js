// The dialog that creates, shows, changes and deletes a task. Changes use optimistic concurrency: the
// request names the ETag that was read (If-Match), so it fails with 412 instead of overwriting the change
// of another user.

import { findAccount, managesTasks, suggestAccountNames } from './accounts.js';
import { AppError, toAppError } from './app-error.js';
import { byId, clearFormError, confirmDialog, openDialog, part, setOptions, topDialog } from './dom.js';
import { isUnanswered } from './http.js';
import { showErrorNotification } from './notifications.js';
import { get, idempotencyKeys, patch, post, remove } from './session.js';
import { onSubmit, submit } from './submit.js';
import { resetHistory } from './task-history.js';
import { STATUSES, UNKNOWN, listedStatus, quotedTitle } from './task.js';
import { formatDateTime, fromFieldValues, toFieldValues, withFullYear } from './time.js';
import { guardDialog, hasUnsavedChanges, isChanged, markUnchanged, mayDiscard } from './unsaved-changes.js';

const dialog = byId('task-dialog');
const form = dialog.querySelector('form');
const fields = form.elements;

/**
 * The state of the dialog since it was last opened: the `task` as it was read (null: a new one), its
 * `version`, the `user`, whether the user `canManage` tasks, the idempotency keys `keyOf`, and the `result`. Each opening
 * has a state object of its own: code that waited for a response compares it to find out that the dialog has moved on.
 */
let current = null;

/**
 * Opens the dialog for a task, or for a new one if `task` is null, and waits until it is closed. Resolves to
 * `{ saved: task }`, `{ deleted: task }` or `{}`.
 */
export async function openTask(task, user) {
  const state = { task, user, canManage: managesTasks(user), keyOf: idempotencyKeys(), result: {} };
  current = state;
  try {
    await loadTask(state);
  } catch (error) {
    showErrorNotification(toAppError(error).withPrefix(`${quotedTitle(task)} cannot be opened.`));
    return {};
  }
  // The user has opened something else meanwhile.
  if (current !== state || topDialog()) return {};
  fillForm(state);
  openDialog(dialog);
  await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
  return state.result;
}

/** Reads the current task, and the version for If-Match. */
async function loadTask(state) {
  if (!state.task) return;
  const { json, version } = await get(`tasks/${state.task.id}?expand=assignee`);
  Object.assign(state, { task: json, version });
}

function fillForm(state) {
  const { task } = state;
  const deadline = toFieldValues(task?.deadline);
  clearFormError(form);
  byId('task-dialog-title').textContent = task ? 'Task' : 'New task';
  fields.title.value = task?.title ?? '';
  fields.description.value = task?.description ?? '';
  fillStatus(task ?? { status: 'pending' });
  fields.deadline.value = deadline.date;
  fields.time.value = deadline.time;
  fields.assignee.value = task?.assignee?.username ?? '';
  part(form, 'reload').hidden = true;
  part(form, 'access').hidden = true;
  part(form, 'details').textContent = task?.created_at ? `Created on ${formatDateTime(task.created_at)}` : '';
  resetHistory(task, state.user);
  markUnchanged(form);
  showPermissions(state);
}

/** A status that another program has written is shown, and can only be replaced by one of the others. */
function fillStatus(task) {
  const status = listedStatus(task);
  const unknown = status === UNKNOWN ? [[UNKNOWN, task.status || 'None']] : [];
  setOptions(fields.status, [...unknown, ...STATUSES]);
  fields.status.value = status;
}

/** Without the permission to manage tasks only the status can be changed. A changed field keeps what was typed. */
function showPermissions({ task, canManage }) {
  for (const name of ['title', 'description', 'deadline', 'time']) fields[name].readOnly = !canManage;
  fields.assignee.readOnly = !canManage;
  part(form, 'assignee').hidden = !canManage && !isChanged(fields.assignee);
  part(form, 'delete').hidden = !task || !canManage;
}

/** Adapts the open dialog to another role or approval of the user; `text` says which. The dialog stays as it is. */
export function adaptTaskDialog(user, text) {
  if (!dialog.open) return;
  current.canManage = managesTasks(user);
  showPermissions(current);
  const advice = hasUnsavedChanges(dialog) && !current.canManage ? ' Copy what you have typed if you cannot save it.' : '';
  part(form, 'access').textContent = text + advice;
  part(form, 'access').hidden = false;
}

/**
 * Resolves to the fields that differ from what they were filled with, as the body of a PATCH or POST. An unchanged
 * deadline keeps its seconds, and an unchanged description its line breaks: the fields have neither.
 */
async function changedFields({ task }) {
  const { title, description, status, assignee } = fields;
  const name = assignee.value.trim();
  return {
    ...((!task || isChanged(title)) && { title: title.value }),
    ...(isChanged(description) && { description: description.value || null }),
    ...((!task || isChanged(status)) && { status: status.value }),
    ...deadlineChange(),
    ...(isChanged(assignee) && { assigned_user_id: name ? (await findAccount(name, 'assignee')).id : null }),
  };
}

/**
 * The change of the deadline for the body of a request. An incomplete date or time is an error: the value of its field is
 * empty, and would delete the deadline.
 */
function deadlineChange() {
  const { deadline, time } = fields;
  completeYear();
  if (!isChanged(deadline) && !isChanged(time)) return {};
  if (deadline.validity.badInput || (time.value && !deadline.value)) {
    throw AppError.forFields({ deadline: 'Enter the whole date.' });
  }
  if (isChanged(deadline) && deadline.validity.rangeUnderflow) throw AppError.forFields({ deadline: 'Enter the year with four digits.' });
  if (time.validity.badInput) throw AppError.forFields({ time: 'Enter hours and minutes, or clear the time.' });
  return { deadline: fromFieldValues(deadline.value, time.value) };
}

/**
 * Completes a year of two digits once it is typed. The field of an incomplete date stays as it is: setting its value
 * would clear it.
 */
function completeYear() {
  const { deadline } = fields;
  const full = withFullYear(deadline.value);
  if (isChanged(deadline) && full !== deadline.value) deadline.value = full;
}

onSubmit(form, () => runAndClose(async (state) => {
  const changes = await changedFields(state);
  if (state.task && Object.keys(changes).length === 0) return {};
  const saved = await (state.task ? changeTask(state, changes) : createTask(state, changes));
  const id = saved.assigned_user_id;
  return { saved: { ...saved, ...(id && { assignee: { id, username: fields.assignee.value.trim() } }) } };
}));

/**
 * Changes a task. If the response was lost, the retry gets 412 although the change was made. Then the task is compared with
 * the changes.
 */
async function changeTask(state, changes) {
  const path = `tasks/${state.task.id}`;
  try {
    return (await patch(path, changes, state.version)).json;
  } catch (error) {
    if (error.code === 'precondition_failed' && state.isUnanswered) {
      const { json } = await get(path);
      if (Object.entries(changes).every(([name, value]) => isSame(name, json[name], value))) return json;
    }
    state.isUnanswered ||= isUnanswered(error);
    throw error;
  }
}

/** Compares a value of the server with one that was sent. The server writes times and text in its own form. */
const isSame = (name, a, b) =>
  (name === 'deadline' ? Date.parse(a) === Date.parse(b) || a === b : normalized(a) === normalized(b));

const normalized = (value) => (typeof value === 'string' ? value.normalize().trim().replaceAll('\t', ' ') : value);

const createTask = async ({ keyOf }, task) => (await post('tasks', task, keyOf(task))).json;

part(form, 'delete').addEventListener('click', async () => {
  const { task, version } = current;
  if (!await confirmDialog(`Delete ${quotedTitle(task)}? This cannot be undone.`, 'Delete')) return;
  submit(form, () => runAndClose(async () => {
    await removeTask(task, version);
    return { deleted: task };
  }));
});

/** Deletes a task. 404 counts as success: a retry after a lost response gets it, and so does a task that another user has deleted. */
async function removeTask({ id }, version) {
  try {
    await remove(`tasks/${id}`, version);
  } catch (error) {
    if (error.code !== 'not_found') throw error;
  }
}

/** Runs an action and closes the dialog with its result. Without a result or after an error it stays open. */
async function runAndClose(action) {
  const state = current;
  try {
    const result = await action(state);
    if (!result) return;
    state.result = result;
    if (current === state) dialog.close();
  } catch (error) {
    if (current === state) part(form, 'reload').hidden = error.code !== 'precondition_failed';
    throw error;
  }
}

part(form, 'reload').addEventListener('click', async () => {
  if (!await mayDiscard(dialog)) return;
  submit(form, () => runAndClose(async (state) => {
    await loadTask(state);
    if (current !== state) return;
    fillForm(state);
    fields.title.focus();
  }));
});

// Not at `change`: Chromium fires it after each digit of a year.
fields.deadline.addEventListener('blur', completeYear);
guardDialog(dialog, part(form, 'cancel'));
suggestAccountNames(fields.assignee);
