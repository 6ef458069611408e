// Task statuses with their labels, and the sort orders of the API's task list.

/** The statuses as pairs of value and label, in the order of the columns. */
export const STATUSES = [['pending', 'To do'], ['in_progress', 'In progress'], ['completed', 'Done']];

export const statusLabel = (status) => STATUSES.find(([value]) => value === status)?.[1] ?? status;

/** The status `offset` columns to the right (negative: to the left), or `undefined` if there is no column. */
export const adjacentStatus = (status, offset) => STATUSES[STATUSES.findIndex(([value]) => value === status) + offset]?.[0];

/** The title as it is shown. A row that the Flask app wrote may have none. */
export const taskTitle = ({ title }) => title || 'Untitled';

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
