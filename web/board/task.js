// Tasks: statuses with their labels, titles in sentences, and the sort orders of the API's task list.

import { isolate } from './dom.js';

/** The statuses as pairs of value and label, in the order of the columns. */
export const STATUSES = [['pending', 'To do'], ['in_progress', 'In progress'], ['completed', 'Done']];

/** The status in lists and summaries of a task whose status another program has written. */
export const UNKNOWN = 'unknown';

/** The columns of the board as pairs of status and label. */
export const COLUMNS = [[UNKNOWN, 'Other'], ...STATUSES];

/** The status by which a task is listed: its own, or `UNKNOWN`. */
export const listedStatus = ({ status }) => (STATUSES.some(([value]) => value === status) ? status : UNKNOWN);

export const statusLabel = (status) => COLUMNS.find(([value]) => value === status)?.[1] ?? status;

/** The status `offset` columns to the right (negative: to the left), or `undefined` if there is no column. */
export const adjacentStatus = (status, offset) => STATUSES[STATUSES.findIndex(([value]) => value === status) + offset]?.[0];

/** The title as it is shown. A row that the Flask app wrote may have none. */
export const taskTitle = ({ title }) => title || 'Untitled';

/** The title in a sentence, in quotation marks. */
export const quotedTitle = (task) => `“${isolate(taskTitle(task))}”`;

/**
 * The API's sort orders by the value of its `sort` parameter, as comparison functions: a task that changes
 * on the page is put where the API would list it. Tasks without the time come last, and equal ones are
 * ordered by id.
 */
export const SORT_ORDERS = {
  deadline: (a, b) => compareTimes(a.deadline, b.deadline, 1) || a.id - b.id,
  '-created_at': (a, b) => compareTimes(a.created_at, b.created_at, -1) || b.id - a.id,
  title: (a, b) => (a.title < b.title ? -1 : Number(a.title > b.title)) || a.id - b.id,
};

function compareTimes(a, b, direction) {
  if (!a || !b) return Number(!a) - Number(!b);
  return direction * (new Date(a) - new Date(b));
}
