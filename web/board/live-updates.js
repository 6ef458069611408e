// Live updates: whether any task has changed, the numbers of tasks, and what others have done. Changes of others are
// shown softly, without moving the focus, and announced to screen readers at most every 30 s.

import { part } from './dom.js';
import { countText } from './infinite-list.js';
import { announce } from './notifications.js';
import { get } from './session.js';

// ---- the summary of all tasks -------------------------------------------------------------------

// The version of `GET /tasks/summary` changes with each change of any task, so polling it is enough to keep the lists up
// to date, and a 304 costs the server little. It also expires, so a 200 without a change is usual once a minute.

let summary = null;
let version;

/** Makes the next poll load the lists again, whether or not a task has changed. */
export function forgetVersion() {
  version = undefined;
}

/** Forgets the numbers: another user, or the same one with another role, sees other tasks. */
export function forgetSummary() {
  [summary, version] = [null, undefined];
}

/** Loads the numbers. Resolves to whether any task may have changed since they were last loaded. */
export async function loadSummary() {
  const { json, version: loaded } = await get('tasks/summary', version);
  if (!json) return false;
  [summary, version] = [json, loaded];
  return true;
}

/** The number of tasks with a status, as text: that of the summary while the list has further pages. */
export function countOf(status, list) {
  const total = summary?.by_status[status];
  if (!list.hasMore || !(total > list.size)) return countText(list);
  return total === summary.limit ? `${total}+` : `${total}`;
}

/** Whether there is no task that the user may see. */
export const hasNoTasks = () => summary !== null && Object.values(summary.by_status).every((count) => count === 0);

// ---- changes of others --------------------------------------------------------------------------

/** The time between two announcements. */
const PAUSE_MS = 30_000;

let unannounced = new Set();
let lastAnnounced = -Infinity;

/** Marks the cards of tasks that differ between two states of the board, and announces their number. */
export function announceChanges(before, after, cardOf) {
  const texts = (tasks) => new Map(tasks.map((task) => [task.id, JSON.stringify(task)]));
  const [old, now] = [texts(before), texts(after)];
  for (const id of new Set([...old.keys(), ...now.keys()])) {
    if (old.get(id) === now.get(id)) continue;
    unannounced.add(id);
    mark(cardOf(id));
  }
  if (unannounced.size === 0 || performance.now() - lastAnnounced < PAUSE_MS) return;
  lastAnnounced = performance.now();
  announce(unannounced.size === 1 ? 'A task has changed.' : `${unannounced.size} tasks have changed.`);
  unannounced = new Set();
}

/** Fades a card in. */
function mark(card) {
  card?.classList.add('changed');
  card?.addEventListener('animationend', () => card.classList.remove('changed'), { once: true });
}

/** Runs `change`. A card that has the focus and moves to another list keeps it. */
export function keepFocus(change, cardOf) {
  const focused = document.activeElement;
  const id = focused?.closest('.card')?.item.id;
  change();
  const card = id && cardOf(id);
  if (!card || card.contains(document.activeElement)) return;
  // In the first and the last column one of the move buttons is hidden.
  const target = part(card, focused.dataset.part);
  (target.hidden ? part(card, 'open') : target).focus();
}
