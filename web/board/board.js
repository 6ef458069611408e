// The tasks: a column for each status, filters, and moving a task from one column to the next.

import { Failure, failureOf, patch } from './api.js';
import { afterPause, byId, copyOf, part, showProblem } from './dom.js';
import { draggable } from './drag.js';
import { announce, showFailure } from './notices.js';
import { PagedList } from './paged-list.js';
import { accountNamed, nameOf, suggestAccounts } from './people.js';
import { ORDERS, STATUSES, neighbour, wordsOf } from './task.js';
import { openTask } from './task-dialog.js';
import { deadlineWords, inFull } from './time.js';

const form = byId('filters');
let columns = new Map();
let user = null;
/** The parameters of the lists. */
let filters = {};
/** By id, the moves of which the server has yet to hear: what it has (`saved`), and how many there are. */
const moves = new Map();

/** Shows the tasks of whoever has signed in. */
export function openBoard(signedIn) {
  user = signedIn;
  form.reset();
  filters = readFilters();
  const manages = user.role !== 'employee';
  byId('new-task').hidden = !manages;
  part(form, 'assignee').hidden = !manages;
  byId('tasks-title').textContent = manages ? 'Tasks' : 'My tasks';
  columns = new Map(STATUSES.map(([status, words]) => [status, column(status, words)]));
  begin();
}

/** Puts the board right after something else may have changed it. */
export async function refreshBoard() {
  await Promise.all([...columns.values()].map((list) => list.refresh()));
}

async function begin() {
  await Promise.all([...columns.values()].map((list) => list.begin()));
}

function column(status, words) {
  const element = copyOf('column');
  const heading = element.querySelector('h2');
  heading.id = `column-${status}`;
  element.dataset.status = status;
  element.setAttribute('aria-labelledby', heading.id);
  part(element, 'name').textContent = words;
  const scroller = part(element, 'list');
  const list = new PagedList({
    label: words,
    scroller,
    query: () => ({ path: 'tasks', parameters: { ...filters, status } }),
    make: card,
    fill,
    compare: (a, b) => ORDERS[filters.sort](a, b),
    empty: 'No tasks here.',
    changed: ({ size, hasMore }) => { part(element, 'count').textContent = hasMore ? `${size}+` : size; },
  });
  scroller.append(list.element);
  const old = byId('columns').querySelector(`[data-status="${status}"]`);
  old ? old.replaceWith(element) : byId('columns').append(element);
  return list;
}

// ---- filters ------------------------------------------------------------------------------------

function readFilters(assignee) {
  const { q, due, sort } = form.elements;
  const now = new Date();
  const bounds = {
    overdue: { deadline_before: now.toISOString() },
    week: { deadline_after: now.toISOString(), deadline_before: new Date(now.getTime() + 7 * 86_400_000).toISOString() },
  };
  return {
    sort: sort.value,
    ...bounds[due.value],
    ...(q.value.trim() && { q: q.value.trim() }),
    ...(assignee && { assigned_user_id: assignee.id }),
  };
}

async function applyFilters() {
  try {
    const name = form.elements.assignee.value.trim();
    const assignee = name && await accountNamed(name, 'assignee');
    showProblem(form);
    filters = readFilters(assignee);
    await begin();
    announce([...columns].map(([status, { size, hasMore }]) => `${wordsOf(status)}: ${size}${hasMore ? ' and more' : ''}`).join(', '));
  } catch (error) {
    showProblem(form, failureOf(error));
  }
}

form.addEventListener('submit', (event) => { event.preventDefault(); applyFilters(); });
form.elements.q.addEventListener('input', afterPause(applyFilters));
form.elements.due.addEventListener('change', applyFilters);
form.elements.sort.addEventListener('change', applyFilters);
form.elements.assignee.addEventListener('change', applyFilters);
suggestAccounts(form.elements.assignee);
// A phone has no room for all of them.
byId('more-filters').addEventListener('click', ({ target }) => {
  target.ariaExpanded = String(form.classList.toggle('open'));
});

// ---- cards --------------------------------------------------------------------------------------

function card() {
  const element = copyOf('card');
  part(element, 'open').addEventListener('click', () => open(element.item));
  part(element, 'back').addEventListener('click', () => step(element.item, -1, 'back'));
  part(element, 'on').addEventListener('click', () => step(element.item, 1, 'on'));
  return element;
}

function fill(element, task) {
  element.dataset.task = task.id;
  part(element, 'open').textContent = task.title;
  const description = part(element, 'description');
  description.textContent = task.description ?? '';
  description.hidden = !task.description;
  fillDeadline(element, task);
  fillAssignee(part(element, 'assignee'), task.assigned_user_id);
  fillStep(part(element, 'back'), task, -1);
  fillStep(part(element, 'on'), task, 1);
}

function fillDeadline(element, { deadline, status }) {
  const line = part(element, 'deadline');
  line.hidden = !deadline;
  if (!deadline) return;
  const { words, urgency } = deadlineWords(deadline, status === 'completed');
  const time = part(element, 'time');
  line.dataset.urgency = urgency;
  time.textContent = words;
  time.dateTime = deadline;
  time.title = inFull(deadline);
}

/** An employee's cards are all their own. */
async function fillAssignee(line, id) {
  line.hidden = user.role === 'employee';
  line.dataset.account = id ?? '';
  line.textContent = id ? '…' : 'nobody';
  const name = id && !line.hidden && await nameOf(id);
  // Meanwhile the card may show another task.
  if (name && line.dataset.account === String(id)) line.textContent = name;
}

function fillStep(button, task, by) {
  const status = neighbour(task.status, by);
  button.hidden = !status;
  button.setAttribute('aria-label', `Move “${task.title}” to ${wordsOf(status)}`);
  button.title = `Move to ${wordsOf(status)}`;
}

// ---- acts ---------------------------------------------------------------------------------------

function step(task, by, button) {
  const status = neighbour(task.status, by);
  if (!status) return;
  const row = move(task, status);
  // Where there is no further step the button is gone, and the title takes the focus.
  const next = part(row, button);
  (next.hidden ? part(row, 'open') : next).focus();
}

/** Moves a task at once, and back if the server does not agree. Returns its card. */
function move(task, status) {
  const moving = moves.get(task.id) ?? { saved: task, count: 0, last: Promise.resolve() };
  moves.set(task.id, moving);
  moving.count += 1;
  const row = place({ ...task, status });
  row.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  announce(`“${task.title}” is in ${wordsOf(status)} now.`);
  // One after the other, so that the last one wins.
  moving.last = moving.last.then(() => save(moving, task, status));
  return row;
}

async function save(moving, task, status) {
  try {
    moving.saved = (await patch(`tasks/${task.id}`, { status })).json;
  } catch (error) {
    const failure = failureOf(error);
    const isGone = failure.code === 'not_found';
    if (isGone) moving.saved = null;
    const words = `“${task.title}” was not moved. ${failure.words}`;
    showFailure(new Failure(words, failure), isGone ? null : () => move(moving.saved, status));
  }
  moving.count -= 1;
  if (moving.count > 0) return;
  moves.delete(task.id);
  if (moving.saved) place(moving.saved);
  else columns.forEach((list) => list.drop(task.id));
}

/** Shows a task in the column of its status, and in no other. */
function place(task) {
  let row;
  columns.forEach((list, status) => {
    if (status === task.status) row = list.put(task);
    else list.drop(task.id);
  });
  return row;
}

async function open(task) {
  await settle(await openTask(task, user));
  // The dialog gave the focus back to the card's title, which may have moved with its card.
  const row = [...columns.values()].map((list) => list.row(task.id)).find(Boolean);
  (row ? part(row, 'open') : byId('tasks-title')).focus();
}

/** Puts the board right after a task was made, changed or deleted. Filters may hide it: the server decides. */
async function settle({ saved, deleted } = {}) {
  if (deleted) {
    columns.forEach((list) => list.drop(deleted.id));
    announce(`“${deleted.title}” is deleted.`);
  }
  if (saved) {
    place(saved);
    announce(`“${saved.title}” is saved.`);
    await refreshBoard();
  }
}

byId('new-task').addEventListener('click', async () => {
  await settle(await openTask(null, user));
  byId('new-task').focus();
});

// ---- moving by pointer and by keyboard ----------------------------------------------------------

draggable(byId('columns'), (row, target) => {
  if (target.dataset.status !== row.item.status) part(move(row.item, target.dataset.status), 'open').focus();
});

byId('columns').addEventListener('keydown', (event) => {
  const row = event.target.closest('.card');
  if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by && event.shiftKey) {
    const status = neighbour(row.item.status, by);
    if (status) part(move(row.item, status), 'open').focus();
  } else if (by) {
    focusColumn(row, by);
  } else if (event.key === 'ArrowDown' && row.nextElementSibling) {
    part(row.nextElementSibling, 'open').focus();
  } else if (event.key === 'ArrowUp' && row.previousElementSibling) {
    part(row.previousElementSibling, 'open').focus();
  } else {
    return;
  }
  event.preventDefault();
});

/** The first card of the next column that has one. */
function focusColumn(row, by) {
  const all = [...byId('columns').children];
  const at = all.indexOf(row.closest('.column'));
  const beyond = by > 0 ? all.slice(at + 1) : all.slice(0, at).reverse();
  const first = beyond.map((element) => element.querySelector('.card-title')).find(Boolean);
  first?.focus();
}

/** Says how long is left, as time goes by. */
setInterval(() => {
  for (const row of byId('columns').querySelectorAll('.card')) fillDeadline(row, row.item);
}, 60_000);
