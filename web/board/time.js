// Formats times for people, and converts them for `<input type="datetime-local">`.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const plural = (count, unit) => `${count} ${unit}${count === 1 ? '' : 's'}`;

/** A duration in its largest unit, rounded down: `3 days`. At least `1 minute`. */
function formatDuration(milliseconds) {
  if (milliseconds < HOUR) return plural(Math.max(1, Math.floor(milliseconds / MINUTE)), 'minute');
  if (milliseconds < DAY) return plural(Math.floor(milliseconds / HOUR), 'hour');
  return plural(Math.floor(milliseconds / DAY), 'day');
}

/** Day and month, and the year if it is not the current one. */
const formatShortDate = (date, now) => date.toLocaleDateString('en-GB', {
  day: 'numeric',
  month: 'short',
  year: date.getFullYear() === now.getFullYear() ? undefined : 'numeric',
});

/**
 * The text for a deadline on a card, and its urgency: `overdue`, `soon` (within 2 days) or empty. A
 * completed task is never overdue.
 */
export function describeDeadline(deadline, isCompleted, now = new Date()) {
  const date = new Date(deadline);
  const timeLeft = date - now;
  if (isCompleted) return { text: `Due ${formatShortDate(date, now)}`, urgency: '' };
  if (timeLeft < 0) return { text: `Overdue by ${formatDuration(-timeLeft)}`, urgency: 'overdue' };
  if (timeLeft < 2 * DAY) return { text: `Due in ${formatDuration(timeLeft)}`, urgency: 'soon' };
  return { text: `Due ${formatShortDate(date, now)}`, urgency: '' };
}

export const formatDate = (time) => new Date(time).toLocaleDateString('en-GB', { dateStyle: 'medium' });

/** Date and time in a short form, for lists. */
export const formatMoment = (time) => new Date(time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

export const formatDateTime = (time) => new Date(time).toLocaleString('en-GB', { dateStyle: 'full', timeStyle: 'short' });

/** Converts an API time to the value of a `datetime-local` field: local time without zone and seconds. */
export function toFieldValue(time) {
  if (!time) return '';
  const date = new Date(time);
  const local = new Date(date - date.getTimezoneOffset() * MINUTE);
  return local.toISOString().slice(0, 16);
}

/** Converts the value of a `datetime-local` field to an API time, or to null if it is empty. */
export const fromFieldValue = (value) => (value ? new Date(value).toISOString() : null);
