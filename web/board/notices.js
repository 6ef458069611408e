// What the page says beside the lists: messages that stay, and words for screen readers.

import { byId, copyOf, part } from './dom.js';
import { failureOf } from './failure.js';

/** Says to screen readers what everybody else can see. */
export function announce(words) {
  byId('announcer').textContent = words;
}

/** Shows something to know. */
export function showNotice(words) {
  const notice = copyOf('notice');
  part(notice, 'word').textContent = words;
  part(notice, 'close').addEventListener('click', () => dismiss(notice));
  byId('notices').append(notice);
  return notice;
}

/** Shows that something has failed, with a button to try it again if there is something to try. */
export function showFailure(error, retry) {
  const failure = failureOf(error);
  const notice = showNotice(failure.message);
  notice.classList.add('failure');
  if (!retry) return;
  offerRetry(part(notice, 'retry'), failure, () => {
    dismiss(notice);
    retry();
  });
}

/** Takes the messages away, as with the page that they were about. */
export function clearNotices() {
  byId('notices').replaceChildren();
}

/** The focus goes on with the page, and not back to its beginning. */
function dismiss(notice) {
  notice.remove();
  byId('main').focus();
}

/** Shows a button that tries again; where the server said how long to wait, it counts down first. */
export function offerRetry(button, failure, retry) {
  let left = failure.wait ?? 0;
  const tick = () => {
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${left} s` : 'Try again';
    left -= 1;
    if (left >= 0) button.countdown = setTimeout(tick, 1000);
  };
  clearTimeout(button.countdown);
  button.hidden = false;
  button.onclick = retry;
  tick();
}
