// What the page knows of tasks: words for them, and the orders of the API's lists.

/** Every status with its words, in the order of the columns. */
export const STATUSES = [['pending', 'To do'], ['in_progress', 'In progress'], ['completed', 'Done']];

/** The words for a status. */
export const wordsOf = (status) => STATUSES.find(([value]) => value === status)?.[1] ?? status;

/** The status that is so many columns further, if there is one. */
export const neighbour = (status, by) => STATUSES[STATUSES.findIndex(([value]) => value === status) + by]?.[0];

/** What a task is called; a row of the Flask app may have no title. */
export const titleOf = ({ title }) => title || 'Untitled';

/** The API's orders, by their names there: who has no such time comes last, equal ones go by id. */
export const ORDERS = {
  deadline: (a, b) => byTime(a.deadline, b.deadline, 1) || a.id - b.id,
  '-created_at': (a, b) => byTime(a.created_at, b.created_at, -1) || b.id - a.id,
  title: (a, b) => (a.title < b.title ? -1 : Number(a.title > b.title)) || a.id - b.id,
};

function byTime(a, b, direction) {
  if (!a || !b) return Number(!a) - Number(!b);
  return direction * (new Date(a) - new Date(b));
}
