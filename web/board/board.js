// The board view: one infinite list of tasks for each status, filters, and moving a task to another column.
// A move is an optimistic update: the card moves at once, and moves back if the server rejects the change.

import { accountName, findAccount, suggestAccountNames } from './account-names.js';
import { patch } from './api.js';
import { toAppError } from './app-error.js';
import { byId, clearFormError, cloneTemplate, debounce, part, showFormError } from './dom.js';
import { makeDraggable } from './drag-and-drop.js';
import { InfiniteList, countText } from './infinite-list.js';
import { announce, showErrorNotification, showNotification } from './notifications.js';
import { SORT_ORDERS, STATUSES, adjacentStatus, statusLabel, taskTitle } from './task.js';
import { openTask } from './task-dialog.js';
import { describeDeadline, formatDateTime } from './time.js';

const filterForm = byId('task-filters');
/** The list of each status. */
let listsByStatus = new Map();
/** The current user. */
let user = null;
/** The query parameters of the task lists. */
let filters = {};

const lists = () => [...listsByStatus.values()];

/** Shows the tasks of a user who has just signed in, with the filters reset. */
export function openBoard(signedInUser) {
  user = signedInUser;
  filterForm.reset();
  clearFormError(filterForm);
  filters = readFilters();
  const canManage = user.role !== 'employee';
  byId('new-task').hidden = !canManage;
  part(filterForm, 'assignee').hidden = !canManage;
  byId('tasks-title').textContent = canManage ? 'Tasks' : 'My tasks';
  byId('columns').replaceChildren();
  listsByStatus = new Map(STATUSES.map(([status, label]) => [status, createColumn(status, label)]));
  reloadLists();
}

function reloadLists() {
  return Promise.all(lists().map((list) => list.reload()));
}

function createColumn(status, label) {
  const element = cloneTemplate('column-template');
  const title = element.querySelector('h2');
  title.id = `column-${status}`;
  element.dataset.status = status;
  element.setAttribute('aria-labelledby', title.id);
  part(element, 'name').textContent = label;
  const scrollContainer = part(element, 'scroll-container');
  const list = new InfiniteList({
    label,
    focusFallback: title,
    scrollContainer,
    getQuery: () => ({ path: 'tasks', parameters: { ...filters, status } }),
    createRow: createCard,
    updateRow: updateCard,
    compare: (a, b) => SORT_ORDERS[filters.sort](a, b),
    emptyText: 'No tasks here.',
    onChange: (list) => { part(element, 'count').textContent = countText(list); },
  });
  scrollContainer.append(list.element);
  byId('columns').append(element);
  return list;
}

// ---- filters ------------------------------------------------------------------------------------

function readFilters(assignee) {
  const { q, due, sort } = filterForm.elements;
  const [now, inAWeek] = [0, 7].map((days) => new Date(Date.now() + days * 86_400_000).toISOString());
  const deadlines = {
    past: { deadline_before: now },
    week: { deadline_after: now, deadline_before: inAWeek },
  };
  return {
    sort: sort.value,
    ...deadlines[due.value],
    ...(q.value.trim() && { q: q.value.trim() }),
    ...(assignee && { assigned_user_id: assignee.id }),
  };
}

/** A generation counter of the filters: the results of an earlier change are ignored. */
let filterGeneration = 0;

async function applyFilters() {
  filterGeneration += 1;
  const generation = filterGeneration;
  try {
    const name = filterForm.elements.assignee.value.trim();
    const assignee = name && await findAccount(name, 'assignee');
    if (generation !== filterGeneration) return;
    clearFormError(filterForm);
    filters = readFilters(assignee);
    await reloadLists();
    if (generation !== filterGeneration) return;
    announce([...listsByStatus].map(([status, list]) => `${statusLabel(status)}: ${progressText(list)}`).join(', '));
  } catch (error) {
    if (generation === filterGeneration) showFormError(filterForm, error);
  }
}

/** A list that is still searching announces when it has finished. */
const progressText = (list) => (list.isSearching ? `${countText(list)}, still searching` : countText(list));

filterForm.addEventListener('submit', (event) => event.preventDefault());
filterForm.elements.q.addEventListener('input', debounce(applyFilters));
for (const name of ['assignee', 'due', 'sort']) filterForm.elements[name].addEventListener('change', applyFilters);
suggestAccountNames(filterForm.elements.assignee);
// On a narrow screen only the search field is always visible.
byId('toggle-filters').addEventListener('click', ({ target }) => {
  target.ariaExpanded = String(filterForm.classList.toggle('open'));
});

// ---- cards --------------------------------------------------------------------------------------

function createCard() {
  const card = cloneTemplate('card-template');
  part(card, 'open').addEventListener('click', () => openCard(card.item));
  part(card, 'move-left').addEventListener('click', () => moveBy(card.item, -1));
  part(card, 'move-right').addEventListener('click', () => moveBy(card.item, 1));
  return card;
}

function updateCard(card, task) {
  part(card, 'open').textContent = taskTitle(task);
  const description = part(card, 'description');
  description.textContent = task.description ?? '';
  description.hidden = !task.description;
  updateDeadline(card, task);
  updateAssignee(part(card, 'assignee'), task.assigned_user_id);
  updateMoveButton(part(card, 'move-left'), task, -1);
  updateMoveButton(part(card, 'move-right'), task, 1);
}

function updateDeadline(card, { deadline, status }) {
  const line = part(card, 'deadline');
  line.hidden = !deadline;
  if (!deadline) return;
  const { text, urgency } = describeDeadline(deadline, status === 'completed');
  const time = part(card, 'time');
  line.dataset.urgency = urgency;
  time.textContent = text;
  time.dateTime = deadline;
  time.title = formatDateTime(deadline);
}

/** Shows the assignee's name, except to employees: all tasks on their board are their own. */
async function updateAssignee(line, id) {
  line.hidden = user.role === 'employee';
  if (line.hidden || line.dataset.account === `${id}`) return;
  line.dataset.account = id;
  line.textContent = id ? '…' : 'Unassigned';
  const name = id && await accountName(id);
  // The card may show another assignee by now.
  if (name && line.dataset.account === `${id}`) line.textContent = name;
}

function updateMoveButton(button, task, offset) {
  const status = adjacentStatus(task.status, offset);
  button.hidden = !status;
  button.title = `Move to ${statusLabel(status)}`;
  button.setAttribute('aria-label', `Move “${taskTitle(task)}” to ${statusLabel(status)}`);
}

// Deadline texts such as "Due in 5 hours" change as time passes.
setInterval(() => {
  for (const card of byId('columns').querySelectorAll('.card')) updateDeadline(card, card.item);
}, 60_000);

// ---- moves --------------------------------------------------------------------------------------

/**
 * The tasks with moves that the server has not confirmed yet, by id: the task as the server has it
 * (`saved`), the number of open moves (`count`) and the promise of the last one (`last`).
 */
const pendingMoves = new Map();
/** Whether the lists need a refresh as soon as no move is pending. */
let needsRefresh = false;

/** Shows changes that other users have made. */
export async function refreshBoard() {
  // A list that is requested before the server has saved a move would undo the move on the page.
  needsRefresh = pendingMoves.size > 0;
  if (!needsRefresh) await Promise.all(lists().map((list) => list.refresh()));
}

function moveBy(task, offset) {
  const status = adjacentStatus(task.status, offset);
  if (status) moveTask(task, status);
}

/** Moves a task on the page at once, then sends the change. */
function moveTask(task, status) {
  for (const list of lists()) needsRefresh = list.discardPendingLoad() || needsRefresh;
  const pending = pendingMoves.get(task.id) ?? { saved: task, count: 0, last: null };
  pendingMoves.set(task.id, pending);
  pending.count += 1;
  placeCard({ ...task, status })?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  announce(`“${taskTitle(task)}” moved to ${statusLabel(status)}.`);
  // Moves of one task are sent one after another, so that the last one takes effect last.
  pending.last = Promise.resolve(pending.last).then(() => sendMove(pending, task, status));
}

async function sendMove(pending, task, status) {
  try {
    pending.saved = (await patch(`tasks/${task.id}`, { status })).json;
  } catch (error) {
    const appError = toAppError(error);
    const isGone = appError.code === 'not_found';
    if (isGone) pending.saved = null;
    showErrorNotification(
      appError.withPrefix(`“${taskTitle(task)}” was not moved.`),
      isGone ? null : () => moveTask(pending.saved, status),
    );
  }
  pending.count -= 1;
  if (pending.count > 0) return;
  pendingMoves.delete(task.id);
  if (pending.saved) placeCard(pending.saved);
  else lists().forEach((list) => list.remove(task.id));
  if (needsRefresh) await refreshBoard();
}

const cardOf = (id) => lists().map((list) => list.row(id)).find(Boolean);

/** Puts a task's card into the column of its status, and returns the card. A card with the focus keeps it. */
function placeCard(task) {
  const focusedPart = cardOf(task.id)?.contains(document.activeElement) && document.activeElement.dataset.part;
  const card = listsByStatus.get(task.status)?.upsert(task);
  if (card && focusedPart) {
    const target = part(card, focusedPart);
    // In the first and the last column one of the move buttons is hidden.
    (target.hidden ? part(card, 'open') : target).focus();
  }
  listsByStatus.forEach((list, status) => { if (status !== task.status) list.remove(task.id); });
  return card;
}

makeDraggable(byId('columns'), (card, { dataset: { status } }) => {
  if (status !== card.item.status) moveTask(card.item, status);
});

// Arrow keys move the focus between cards; Shift+Left and Shift+Right move the task.
byId('columns').addEventListener('keydown', (event) => {
  const card = event.target.closest('.card');
  if (!card || event.altKey || event.ctrlKey || event.metaKey) return;
  const offset = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const nextCard = { ArrowUp: card.previousElementSibling, ArrowDown: card.nextElementSibling }[event.key];
  if (offset && event.shiftKey) moveBy(card.item, offset);
  else if (offset) focusColumn(card, offset);
  else if (nextCard) part(nextCard, 'open').focus();
  else return;
  event.preventDefault();
});

/** Focuses the first card of the nearest column on that side that has cards. */
function focusColumn(card, direction) {
  const columns = [...byId('columns').children];
  const index = columns.indexOf(card.closest('.column'));
  const candidates = direction > 0 ? columns.slice(index + 1) : columns.slice(0, index).reverse();
  candidates.map((column) => column.querySelector('.card-title')).find(Boolean)?.focus();
}

// ---- opening a task -----------------------------------------------------------------------------

async function openCard(task) {
  const { saved, deleted } = await openTask(task, user);
  if (deleted) {
    lists().forEach((list) => list.remove(deleted.id));
    announce(`“${taskTitle(deleted)}” is deleted.`);
  }
  if (saved) {
    placeCard(saved);
    announce(`“${taskTitle(saved)}” is saved.`);
  }
  // The filters may exclude the task now, or the task turned out to be gone.
  await refreshBoard();
  if (saved && !cardOf(saved.id)) {
    showNotification(`“${taskTitle(saved)}” is saved. It is further down the list, or the filters hide it.`);
  }
}

byId('new-task').addEventListener('click', () => openCard(null));
