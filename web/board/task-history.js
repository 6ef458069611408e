// The history of a task in its dialog: who did what, and when. It is loaded when the user opens it.

import { byId, isolate, part, setText } from './dom.js';
import { InfiniteList } from './infinite-list.js';
import { statusLabel } from './task.js';
import { formatMoment } from './time.js';

const details = byId('task-history');
let list = null;
/** The current user. */
let viewer;

/** Closes the history and shows it for another task from now on; null hides it. */
export function resetHistory(task, user) {
  viewer = user;
  details.hidden = !task;
  details.open = false;
  part(details, 'entries').replaceChildren();
  list = task && new InfiniteList({
    label: 'History',
    focusFallback: details.querySelector('summary'),
    getQuery: () => ({ path: `tasks/${task.id}/history`, parameters: {} }),
    createRow: () => document.createElement('li'),
    updateRow: (row, entry) => setText(row, describe(entry)),
    compare: (a, b) => b.id - a.id,
    emptyText: 'Nothing is recorded yet.',
  });
}

details.addEventListener('toggle', () => {
  if (!details.open || !list || list.element.isConnected) return;
  part(details, 'entries').append(list.element);
  list.reload();
});

function describe(entry) {
  const what = entry.action === 'created' ? [creation(entry)] : entry.changed.map((field) => CHANGES[field](entry));
  return `${formatMoment(entry.at)}: ${actorOf(entry)} ${joined(what)}.`;
}

const creation = ({ assignee }) => (assignee ? `created it for ${nameOf(assignee)}` : 'created it');

const CHANGES = {
  title: () => 'changed the title',
  description: () => 'changed the description',
  status: ({ status }) => `moved it to “${statusLabel(status)}”`,
  deadline: () => 'changed the deadline',
  assigned_user_id: ({ assignee }) => (assignee ? `assigned it to ${nameOf(assignee)}` : 'took it from its assignee'),
};

const joined = (parts) => [parts.slice(0, -1).join(', '), parts.at(-1)].filter(Boolean).join(' and ');

/** The id of a deleted account may be that of another one now. */
const isViewer = ({ id, username }) => id === viewer.id && username === viewer.username;

const nameOf = (account) => (isViewer(account) ? 'you' : isolate(account.username));

function actorOf({ actor, actor_role: role }) {
  if (actor) return isViewer(actor) ? 'You' : isolate(actor.username);
  return role ? `Another ${role}` : 'The server';
}
