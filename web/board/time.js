// Formats times for people, and converts them for date and time fields.

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

/** The local time of a deadline that was entered without a time: the end of the day. */
const END_OF_DAY = '23:59';

/** Converts an API time to the values of a date and a time field: local time without zone and seconds. */
export function toFieldValues(time) {
  if (!time) return { date: '', time: '' };
  const moment = new Date(time);
  const local = new Date(moment - moment.getTimezoneOffset() * MINUTE).toISOString();
  const [date, clock] = [local.slice(0, -14), local.slice(-13, -8)];
  return { date, time: clock === END_OF_DAY ? '' : clock };
}

/** Converts the values of a date and a time field to an API time, or to null if there is no date. */
export const fromFieldValues = (date, time) => (date ? new Date(`${date}T${time || END_OF_DAY}`).toISOString() : null);

/**
 * Returns the date with a year of this century in place of one of two digits: a date field takes 26 for the year 0026.
 */
export const withFullYear = (date) => date.replace(/^00(?=[1-9]\d-)/, '20');
