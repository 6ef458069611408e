// Deadlines as words, and as a form's field has them.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const plural = (count, unit) => `${count} ${unit}${count === 1 ? '' : 's'}`;

/** How long it is, in its largest unit: `3 days`. */
function span(milliseconds) {
  if (milliseconds < HOUR) return plural(Math.max(1, Math.floor(milliseconds / MINUTE)), 'minute');
  if (milliseconds < DAY) return plural(Math.floor(milliseconds / HOUR), 'hour');
  return plural(Math.floor(milliseconds / DAY), 'day');
}

const dayOf = (moment, now) => moment.toLocaleDateString('en-GB', {
  day: 'numeric',
  month: 'short',
  year: moment.getFullYear() === now.getFullYear() ? undefined : 'numeric',
});

/** What a card says of a deadline, and how urgent it is: `late`, `soon` or nothing. A task that is done is never late. */
export function deadlineWords(deadline, isDone, now = new Date()) {
  const moment = new Date(deadline);
  const left = moment - now;
  if (isDone) return { words: `Due ${dayOf(moment, now)}`, urgency: '' };
  if (left < 0) return { words: `Overdue by ${span(-left)}`, urgency: 'late' };
  if (left < 2 * DAY) return { words: `Due in ${span(left)}`, urgency: 'soon' };
  return { words: `Due ${dayOf(moment, now)}`, urgency: '' };
}

/** A moment's day. */
export const day = (moment) => new Date(moment).toLocaleDateString('en-GB', { dateStyle: 'medium' });

/** A moment at full length. */
export const inFull = (moment) => new Date(moment).toLocaleString('en-GB', { dateStyle: 'full', timeStyle: 'short' });

/** A moment as `<input type="datetime-local">` has it: in the user's own time, without a zone. */
export function toField(moment) {
  if (!moment) return '';
  const date = new Date(moment);
  const local = new Date(date - date.getTimezoneOffset() * MINUTE);
  return local.toISOString().slice(0, 16);
}

/** The other way round, as the API wants it. */
export const fromField = (text) => (text ? new Date(text).toISOString() : null);
