// The tasks: a column for each status, filters, and moving a task from one column to the next.

import { patch } from './api.js';
import { afterPause, byId, clearProblem, copyOf, part, showProblem } from './dom.js';
import { draggable } from './drag.js';
import { failureOf } from './failure.js';
import { announce, showFailure, showNotice } from './notices.js';
import { PagedList } from './paged-list.js';
import { accountNamed, nameOf, suggestAccounts } from './people.js';
import { ORDERS, STATUSES, neighbour, titleOf, wordsOf } from './task.js';
import { openTask } from './task-dialog.js';
import { deadlineWords, inFull } from './time.js';

const form = byId('filters');
/** The list of each status. */
let columns = new Map();
/** Who looks at the board. */
let user = null;
/** The parameters of the lists. */
let filters = {};

const lists = () => [...columns.values()];

/** Shows the tasks of whoever has signed in. */
export function openBoard(signedIn) {
  user = signedIn;
  form.reset();
  clearProblem(form);
  filters = chosenFilters();
  const manages = user.role !== 'employee';
  byId('new-task').hidden = !manages;
  part(form, 'assignee').hidden = !manages;
  byId('tasks-title').textContent = manages ? 'Tasks' : 'My tasks';
  byId('columns').replaceChildren();
  columns = new Map(STATUSES.map(([status, words]) => [status, column(status, words)]));
  begin();
}

function begin() {
  return Promise.all(lists().map((list) => list.begin()));
}

function column(status, words) {
  const element = copyOf('column');
  const title = element.querySelector('h2');
  title.id = `column-${status}`;
  element.dataset.status = status;
  element.setAttribute('aria-labelledby', title.id);
  part(element, 'name').textContent = words;
  const scroller = part(element, 'list');
  const list = new PagedList({
    label: words,
    title,
    scroller,
    query: () => ({ path: 'tasks', parameters: { ...filters, status } }),
    make: card,
    fill,
    compare: (a, b) => ORDERS[filters.sort](a, b),
    empty: 'No tasks here.',
    changed: (list) => { part(element, 'count').textContent = count(list); },
  });
  scroller.append(list.element);
  byId('columns').append(element);
  return list;
}

const count = ({ size, hasMore }) => (hasMore ? `${size}+` : `${size}`);

// ---- filters ------------------------------------------------------------------------------------

function chosenFilters(assignee) {
  const { q, due, sort } = form.elements;
  const [now, inAWeek] = [0, 7].map((days) => new Date(Date.now() + days * 86_400_000).toISOString());
  const deadlines = {
    overdue: { deadline_before: now },
    week: { deadline_after: now, deadline_before: inAWeek },
  };
  return {
    sort: sort.value,
    ...deadlines[due.value],
    ...(q.value.trim() && { q: q.value.trim() }),
    ...(assignee && { assigned_user_id: assignee.id }),
  };
}

/** Counts the changes of the filters: what an earlier one finds comes too late. */
let applied = 0;

async function applyFilters() {
  applied += 1;
  const mine = applied;
  try {
    const name = form.elements.assignee.value.trim();
    const assignee = name && await accountNamed(name, 'assignee');
    if (mine !== applied) return;
    clearProblem(form);
    filters = chosenFilters(assignee);
    await begin();
    if (mine !== applied) return;
    announce([...columns].map(([status, list]) => `${wordsOf(status)}: ${count(list)}`).join(', '));
  } catch (error) {
    if (mine === applied) showProblem(form, error);
  }
}

form.addEventListener('submit', (event) => event.preventDefault());
form.elements.q.addEventListener('input', afterPause(applyFilters));
for (const name of ['assignee', 'due', 'sort']) form.elements[name].addEventListener('change', applyFilters);
suggestAccounts(form.elements.assignee);
// A phone has no room for all of them.
byId('more-filters').addEventListener('click', ({ target }) => {
  target.ariaExpanded = String(form.classList.toggle('open'));
});

// ---- cards --------------------------------------------------------------------------------------

function card() {
  const element = copyOf('card');
  part(element, 'open').addEventListener('click', () => open(element.item));
  part(element, 'back').addEventListener('click', () => step(element.item, -1));
  part(element, 'on').addEventListener('click', () => step(element.item, 1));
  return element;
}

function fill(element, task) {
  part(element, 'open').textContent = titleOf(task);
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
  if (line.hidden || line.dataset.account === `${id}`) return;
  line.dataset.account = id;
  line.textContent = id ? '…' : 'nobody';
  const name = id && await nameOf(id);
  // Meanwhile the card may show another task.
  if (name && line.dataset.account === `${id}`) line.textContent = name;
}

function fillStep(button, task, by) {
  const status = neighbour(task.status, by);
  button.hidden = !status;
  button.title = `Move to ${wordsOf(status)}`;
  button.setAttribute('aria-label', `Move “${titleOf(task)}” to ${wordsOf(status)}`);
}

// As time goes by.
setInterval(() => {
  for (const row of byId('columns').querySelectorAll('.card')) fillDeadline(row, row.item);
}, 60_000);

// ---- moving -------------------------------------------------------------------------------------

/** The moves that the server has yet to hear of, by the task's id: what it has (`saved`), and how many there are. */
const moves = new Map();
/** Whether the lists have to be asked again when there are none left. */
let isOutdated = false;

/** Puts the board right after others may have changed it. */
export async function refreshBoard() {
  // What is asked before a move and answered behind it would undo it on the page.
  isOutdated = moves.size > 0;
  if (!isOutdated) await Promise.all(lists().map((list) => list.refresh()));
}

function step(task, by) {
  const status = neighbour(task.status, by);
  if (status) move(task, status);
}

/** Moves a task at once, and back if the server does not agree. */
function move(task, status) {
  for (const list of lists()) isOutdated = list.outdate() || isOutdated;
  const moving = moves.get(task.id) ?? { saved: task, count: 0, last: null };
  moves.set(task.id, moving);
  moving.count += 1;
  place({ ...task, status })?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  announce(`“${titleOf(task)}” is in ${wordsOf(status)} now.`);
  // One after the other, so that the last one wins.
  moving.last = Promise.resolve(moving.last).then(() => save(moving, task, status));
}

async function save(moving, task, status) {
  try {
    moving.saved = (await patch(`tasks/${task.id}`, { status })).json;
  } catch (error) {
    const failure = failureOf(error);
    const isGone = failure.code === 'not_found';
    if (isGone) moving.saved = null;
    showFailure(
      failure.of(`“${titleOf(task)}” was not moved.`),
      isGone ? null : () => move(moving.saved, status),
    );
  }
  moving.count -= 1;
  if (moving.count > 0) return;
  moves.delete(task.id);
  if (moving.saved) place(moving.saved);
  else lists().forEach((list) => list.drop(task.id));
  if (isOutdated) await refreshBoard();
}

const rowOf = (id) => lists().map((list) => list.row(id)).find(Boolean);

/** Shows a task in the column of its status, and in no other. The focus goes with it. Returns its card. */
function place(task) {
  const focused = rowOf(task.id)?.contains(document.activeElement) && document.activeElement.dataset.part;
  const row = columns.get(task.status)?.put(task);
  if (row && focused) {
    const same = part(row, focused);
    // At the last column there is no button for one further.
    (same.hidden ? part(row, 'open') : same).focus();
  }
  columns.forEach((list, status) => { if (status !== task.status) list.drop(task.id); });
  return row;
}

draggable(byId('columns'), (row, { dataset: { status } }) => {
  if (status !== row.item.status) move(row.item, status);
});

byId('columns').addEventListener('keydown', (event) => {
  const row = event.target.closest('.card');
  if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
  const sideways = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const next = { ArrowUp: row.previousElementSibling, ArrowDown: row.nextElementSibling }[event.key];
  if (sideways && event.shiftKey) step(row.item, sideways);
  else if (sideways) focusColumn(row, sideways);
  else if (next) part(next, 'open').focus();
  else return;
  event.preventDefault();
});

/** Goes to the first card of the next column that has one. */
function focusColumn(row, by) {
  const all = [...byId('columns').children];
  const at = all.indexOf(row.closest('.column'));
  const beyond = by > 0 ? all.slice(at + 1) : all.slice(0, at).reverse();
  beyond.map((element) => element.querySelector('.card-title')).find(Boolean)?.focus();
}

// ---- opening ------------------------------------------------------------------------------------

async function open(task) {
  const { saved, deleted } = await openTask(task, user);
  if (deleted) {
    lists().forEach((list) => list.drop(deleted.id));
    announce(`“${titleOf(deleted)}” is deleted.`);
  }
  if (saved) {
    place(saved);
    announce(`“${titleOf(saved)}” is saved.`);
  }
  // Filters may hide it now, or it was found to be gone.
  await refreshBoard();
  if (saved && !rowOf(saved.id)) {
    showNotice(`“${titleOf(saved)}” is saved. It is further down, or the filters hide it.`);
  }
}

byId('new-task').addEventListener('click', () => open(null));
