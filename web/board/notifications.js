// Toast notifications, and announcements: texts in a live region (`role="status"`), which screen readers speak
// without moving the focus.

import { toAppError } from './app-error.js';
import { byId, cloneTemplate, part } from './dom.js';

/** Announces a change to screen readers, for which it would not be noticeable otherwise. */
export function announce(text) {
  byId('announcer').textContent = text;
}

/** Shows a notification until the user closes it. */
export function showNotification(text) {
  const notification = cloneTemplate('notification-template');
  part(notification, 'text').textContent = text;
  part(notification, 'close').addEventListener('click', () => dismiss(notification));
  byId('notifications').append(notification);
  return notification;
}

/** Shows an error. With `retry` the notification has a button that closes it and calls `retry`. */
export function showErrorNotification(error, retry) {
  const appError = toAppError(error);
  const notification = showNotification(appError.message);
  notification.classList.add('error');
  if (!retry) return;
  showRetryButton(part(notification, 'retry'), appError, () => {
    dismiss(notification);
    retry();
  });
}

/** Removes all notifications. */
export function clearNotifications() {
  byId('notifications').replaceChildren();
}

/** Closes a notification. Its button had the focus, which would be lost: it moves to the content. */
function dismiss(notification) {
  notification.remove();
  byId('main').focus();
}

/** Shows a button that calls `retry`. After a response with `Retry-After` it first counts the seconds down. */
export function showRetryButton(button, error, retry) {
  let secondsLeft = error.retryAfter ?? 0;
  const tick = () => {
    button.disabled = secondsLeft > 0;
    button.textContent = secondsLeft > 0 ? `Try again in ${secondsLeft} s` : 'Try again';
    secondsLeft -= 1;
    if (secondsLeft >= 0) button.countdown = setTimeout(tick, 1000);
  };
  clearTimeout(button.countdown);
  button.hidden = false;
  button.onclick = retry;
  tick();
}
