// The board view: one infinite list of tasks for each status, filters, and moving a task to another column.
// A move is an optimistic update: the card moves at once, and moves back if the server rejects the change.

import { findAccount, managesTasks, suggestAccountNames } from './accounts.js';
import { toAppError } from './app-error.js';
import { createCard, updateCard, updateDeadline } from './cards.js';
import { byId, clearFormError, cloneTemplate, debounce, part, setText, showFormError } from './dom.js';
import { makeDraggable } from './drag-and-drop.js';
import { InfiniteList, countText } from './infinite-list.js';
import { announceChanges, countOf, forgetSummary, hasNoTasks, keepFocus, loadSummary } from './live-updates.js';
import { announce, showErrorNotification, showNotification } from './notifications.js';
import { patch } from './session.js';
import { openTask } from './task-dialog.js';
import { COLUMNS, SORT_ORDERS, UNKNOWN, adjacentStatus, listedStatus, quotedTitle, statusLabel } from './task.js';

const filterForm = byId('task-filters');
/** The list of each status. */
let listsByStatus = new Map();
/** The current user. */
let user = null;
/** The query parameters of the task lists. */
let filters = {};

const lists = () => [...listsByStatus.values()];

/** Shows the tasks of a user, with the filters reset: after a sign-in, and after a change of role or approval. */
export function openBoard(currentUser) {
  user = currentUser;
  filterForm.reset();
  clearFormError(filterForm);
  filters = readFilters();
  const canManage = managesTasks(user);
  byId('new-task').hidden = !canManage;
  part(filterForm, 'assignee').hidden = !canManage;
  byId('tasks-title').textContent = canManage ? 'Tasks' : 'My tasks';
  byId('columns').replaceChildren();
  forgetSummary();
  listsByStatus = new Map(COLUMNS.map(([status, label]) => [status, createColumn(status, label)]));
  // The summary comes first: with a version that is newer than the lists, the next poll would miss a change.
  lastRefresh = loadSummary().then(showCounts, () => {}).then(reloadLists);
}

function showCounts() {
  for (const status of listsByStatus.keys()) updateColumn(status);
}

function reloadLists() {
  lastRefresh = Promise.all(lists().map((list) => list.reload()));
  return lastRefresh;
}

function createColumn(status, label) {
  const element = cloneTemplate('column-template');
  const title = element.querySelector('h2');
  title.id = `column-${status}`;
  element.dataset.status = status;
  // A status of another program cannot be set.
  if (status === UNKNOWN) element.dataset.noDrop = 'true';
  element.setAttribute('aria-labelledby', title.id);
  part(element, 'name').textContent = label;
  const scrollContainer = part(element, 'scroll-container');
  const list = new InfiniteList({
    label,
    focusFallback: title,
    scrollContainer,
    getQuery: () => ({ path: 'tasks', parameters: { ...filters, status, expand: 'assignee' } }),
    createRow: () => createCard({ open: openCard, moveBy }),
    updateRow: (card, task) => updateCard(card, task, { withAssignee: managesTasks(user) }),
    compare: (a, b) => SORT_ORDERS[filters.sort](a, b),
    emptyText: 'No tasks here.',
    onChange: () => updateColumn(status),
  });
  scrollContainer.append(list.element);
  byId('columns').append(element);
  return list;
}

const columnOf = (status) => byId('columns').querySelector(`[data-status="${status}"]`);

/** Shows the number of tasks in the heading of a column. Tasks with an unknown status have a column if there are any. */
function updateColumn(status) {
  const [column, list] = [columnOf(status), listsByStatus.get(status)];
  if (!column || !list) return;
  setText(part(column, 'count'), hasFilters() ? countText(list) : countOf(status, list));
  if (status === UNKNOWN) column.hidden = list.size === 0 && !list.hasMore;
  updateEmptyBoard();
}

const hasFilters = () => Object.keys(filters).some((name) => name !== 'sort');

/** Says what to do first while there is no task at all. */
function updateEmptyBoard() {
  const isEmpty = hasNoTasks() && !hasFilters() && lists().every(({ size, hasMore }) => size === 0 && !hasMore);
  if (!isEmpty && byId('empty-board').contains(document.activeElement)) byId('tasks-title').focus();
  byId('empty-board').hidden = !isEmpty;
  if (!isEmpty) return;
  const who = managesTasks(user) ? 'manager' : 'employee';
  for (const text of byId('empty-board').children) text.hidden = ![who, user.role].includes(text.dataset.for);
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
    const shown = [...listsByStatus].filter(([status, { size }]) => status !== UNKNOWN || size > 0);
    announce(shown.map(([status, list]) => `${statusLabel(status)}: ${progressText(list)}`).join(', '));
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

// ---- moves --------------------------------------------------------------------------------------

/**
 * The tasks with moves that the server has not confirmed yet, by id: the task as the server has it
 * (`saved`), the number of open moves (`count`) and the promise of the last one (`last`).
 */
const pendingMoves = new Map();
/** Whether the lists need a refresh as soon as no move is pending. */
let needsRefresh = false;

/** The last load of all lists. Each discards what an earlier one has not shown yet, so a refresh waits for it. */
let lastRefresh = Promise.resolve();

/** Loads the lists again, and shows the changes of all columns at the same moment. */
export function refreshBoard() {
  lastRefresh = lastRefresh.catch(() => {}).then(loadLists);
  return lastRefresh;
}

/** While a move is pending or a card is dragged, it only notes that a refresh is due. */
async function loadLists() {
  // A list that is requested before the server has saved a move would undo the move on the page.
  needsRefresh = pendingMoves.size > 0;
  if (needsRefresh) return;
  const shows = await Promise.all(lists().map((list) => list.prepareRefresh()));
  if (isDragging()) needsRefresh = true;
  else keepFocus(() => shows.forEach((show) => show?.()), cardOf);
}

const isDragging = () => byId('columns').classList.contains('dragging');

/**
 * Asks the server whether tasks have changed, and shows what others have done. Resolves to whether they may have; fails if
 * a list could not be loaded.
 */
export async function pollBoard() {
  await lastRefresh.catch(() => {});
  const failedList = () => lists().find(({ error }) => error);
  const isDue = (needsRefresh && !isDragging()) || failedList();
  const mayHaveChanged = await loadSummary();
  if (!mayHaveChanged && !isDue) return false;
  const before = shownTasks();
  showCounts();
  await refreshBoard();
  announceChanges(before, shownTasks(), cardOf);
  if (failedList()) throw failedList().error;
  return mayHaveChanged;
}

/** The tasks that are shown. */
const shownTasks = () => lists().flatMap(({ items }) => items);

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
  announce(`${quotedTitle(task)} moved to ${statusLabel(status)}.`);
  // Moves of one task are sent one after another, so that the last one takes effect last.
  pending.last = Promise.resolve(pending.last).then(() => sendMove(pending, task, status));
}

async function sendMove(pending, task, status) {
  try {
    const { json } = await patch(`tasks/${task.id}`, { status });
    pending.saved = { ...json, assignee: task.assignee };
  } catch (error) {
    const appError = toAppError(error);
    const isGone = appError.code === 'not_found';
    if (isGone) pending.saved = null;
    showErrorNotification(
      appError.withPrefix(`${quotedTitle(task)} was not moved.`),
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
  const status = listedStatus(task);
  keepFocus(() => {
    listsByStatus.forEach((list, other) => { if (other !== status) list.remove(task.id); });
    listsByStatus.get(status).upsert(task);
  }, cardOf);
  return cardOf(task.id);
}

// Deadline texts such as "Due in 5 hours" change as time passes.
setInterval(() => {
  for (const card of byId('columns').querySelectorAll('.card')) updateDeadline(card, card.item);
}, 60_000);

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
  // Otherwise the dialog would have the version before a move that the user has just made.
  await pendingMoves.get(task?.id)?.last;
  const { saved, deleted } = await openTask(task, user);
  if (deleted) {
    lists().forEach((list) => list.remove(deleted.id));
    announce(`${quotedTitle(deleted)} is deleted.`);
  }
  if (saved) {
    placeCard(saved);
    announce(`${quotedTitle(saved)} is saved.`);
  }
  // The filters may exclude the task now, or the task turned out to be gone.
  await refreshBoard();
  if (saved && !cardOf(saved.id)) {
    showNotification(`${quotedTitle(saved)} is saved. It is further down the list, or the filters hide it.`);
  }
}

for (const id of ['new-task', 'first-task']) byId(id).addEventListener('click', () => openCard(null));
