// The lost connection: a banner says that the server cannot be reached, or that a proxy answers in its place, and the
// page tries to reach it until it can.

import { byId, part, topDialog } from './dom.js';
import { connection, ping } from './http.js';
import { announce } from './notifications.js';
import { hasUnsavedChanges } from './unsaved-changes.js';

const banner = byId('connection-banner');
const header = banner.previousElementSibling;
let timer = null;

/**
 * Tries to reach the server with exponential backoff, up to 15 s between two tries. A hidden page asks nothing: it loads
 * everything when it becomes visible again.
 */
function reconnectAfter(seconds) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (document.hidden) reconnectAfter(seconds);
    else ping().catch(() => reconnectAfter(Math.min(seconds * 2, 15)));
  }, seconds * 1000);
}

const reconnectNow = () => ping().catch(() => {});

function show(state, text) {
  const wasHidden = banner.hidden;
  banner.hidden = false;
  if (banner.dataset.state !== state) part(banner, 'text').textContent = text;
  banner.dataset.state = state;
  part(banner, 'retry').hidden = state !== 'unreachable';
  part(banner, 'reload').hidden = state !== 'intercepted';
  if (wasHidden) reconnectAfter(2);
}

/** `onReachable()` is called when the server can be reached again. */
export function initConnectionBanner({ onReachable }) {
  connection.addEventListener('unreachable', () =>
    show('unreachable', 'The server cannot be reached. What you see may be out of date.'));
  connection.addEventListener('intercepted', () =>
    show('intercepted', `A proxy in front of this server asks you to sign in.${
      hasUnsavedChanges() ? ' To keep what you have typed, sign in to it in another tab.' : ''}`));
  connection.addEventListener('reachable', () => {
    if (banner.hidden) return;
    clearTimeout(timer);
    if (banner.contains(document.activeElement)) byId('main').focus();
    banner.hidden = true;
    announce('The server can be reached again.');
    onReachable();
  });
  part(banner, 'retry').addEventListener('click', reconnectNow);
  part(banner, 'reload').addEventListener('click', () => location.reload());
  addEventListener('online', () => { if (!banner.hidden) reconnectNow(); });
  // Only the dialog that is above all others can be read and used.
  new MutationObserver(() => {
    const dialog = topDialog();
    if (dialog && banner.parentElement !== dialog) dialog.prepend(banner);
    else if (!dialog && banner.parentElement !== document.body) header.after(banner);
  }).observe(document.body, { subtree: true, attributeFilter: ['open'], childList: true });
}
