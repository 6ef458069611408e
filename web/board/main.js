// The entry point. Decides which view is shown (sign-in, one-time links, waiting for approval, tasks, people),
// keeps the current user up to date by polling, and watches the connection.

import { initAccountDialog } from './account-dialog.js';
import { connection, get, ping, session, signOut } from './api.js';
import { toAppError } from './app-error.js';
import { openBoard, refreshBoard } from './board.js';
import { byId } from './dom.js';
import { announce, clearNotifications, showErrorNotification, showNotification } from './notifications.js';
import { isComplete, reopenLink, takeLink } from './one-time-link.js';
import { openPeople, refreshPeople } from './people.js';
import { initSignIn, showFormOfLink } from './sign-in.js';

/** The views, each with the heading that takes the focus when the view opens. */
const VIEWS = {
  'sign-in-view': 'sign-in-title',
  'dead-link-view': 'dead-link-title',
  'signed-in-view': 'signed-in-title',
  'approval-view': 'approval-title',
  'tasks-view': 'tasks-title',
  'people-view': 'people-title',
};

let user = null;

function showView(view) {
  for (const id of Object.keys(VIEWS)) byId(id).hidden = id !== view;
  document.title = `${byId(VIEWS[view]).textContent} · Task board`;
  byId(VIEWS[view]).focus();
}

/** Shows the page for a user: after the sign-in, and after a change of role or approval. */
function showUser(currentUser) {
  user = currentUser;
  clearNotifications();
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  byId('current-user').hidden = false;
  byId('current-user-name').textContent = user.username;
  byId('current-user-role').textContent = user.role;
  byId('view-links').hidden = !user.is_approved || user.role !== 'admin';
  if (!user.is_approved) {
    byId('approval-name').textContent = user.username;
    showView('approval-view');
    return;
  }
  openPeople(user.role === 'admin');
  openBoard(user);
  showViewOfUrl();
}

/**
 * Returns to the sign-in view by reloading the page, so that no data and no open request of the old session
 * remains. The message survives the reload in `history.state`.
 */
function returnToSignIn(message) {
  history.replaceState({ message }, '', location.pathname);
  location.reload();
}

/** Hash routing: shows the view that the URL names, so that links and the back button work. */
function showViewOfUrl() {
  // "#main" is the target of the skip link, not a view.
  if (!user?.is_approved || location.hash === '#main') return;
  const isPeople = location.hash === '#people' && user.role === 'admin';
  for (const link of byId('view-links').querySelectorAll('a')) {
    link.ariaCurrent = (link.hash === '#people') === isPeople ? 'page' : null;
  }
  showView(isPeople ? 'people-view' : 'tasks-view');
}

// ---- one-time links -----------------------------------------------------------------------------

/** The link that waits for the user to sign out. It is kept in this variable only. */
let waitingLink = null;

/** Shows the form of a one-time link. A user who is signed in on this page is asked first. */
function openLink(link) {
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  if (user) {
    waitingLink = link;
    byId('signed-in-name').textContent = user.username;
    showView('signed-in-view');
  } else if (isComplete(link)) {
    showFormOfLink(link);
    showView('sign-in-view');
  } else {
    showDeadLink('A part of it is missing. Copy the whole link and open it again.');
  }
}

function showDeadLink(reason) {
  byId('dead-link-reason').textContent = reason;
  showView('dead-link-view');
}

byId('leave-dead-link').addEventListener('click', () => returnToSignIn());
byId('stay-signed-in').addEventListener('click', () => {
  waitingLink = null;
  showUser(user);
});
byId('sign-out-for-link').addEventListener('click', async () => {
  // Without a connection the session ends when the page is left.
  await signOut().catch(() => {});
  reopenLink(waitingLink);
});

// ---- refreshing ---------------------------------------------------------------------------------

/** A generation counter of the refreshes: the response to an earlier one is ignored. */
let refreshGeneration = 0;

/** Loads the current user and the lists. A change of role or approval takes effect on the page at once. */
async function refresh() {
  if (!user) return;
  refreshGeneration += 1;
  const generation = refreshGeneration;
  const { json } = await get('me');
  if (generation !== refreshGeneration) return;
  const before = user;
  if (json.role !== before.role || json.is_approved !== before.is_approved) {
    showUser(json);
    showNotification(accessChangeText(before, json));
  } else if (user.is_approved) {
    await Promise.all([refreshBoard(), refreshPeople()]);
  }
}

function accessChangeText(before, now) {
  if (!now.is_approved) return 'Your account is waiting for approval.';
  if (!before.is_approved) return `Your account is approved. Your role is ${now.role}.`;
  return `Your role is now ${now.role}.`;
}

/** A refresh that the user did not ask for shows no error: the next one follows soon. */
const refreshInBackground = () => refresh().catch(() => {});

const isWaitingForApproval = () => user && !user.is_approved && !document.hidden;
const isUsingBoard = () => user?.is_approved && !document.hidden && !document.querySelector('dialog[open]');

initSignIn({
  onSignIn: showUser,
  onReset: () => returnToSignIn('Your new password is set. Sign in with it.'),
  onDeadLink: () => showDeadLink('It was used already, was withdrawn or has expired.'),
});
initAccountDialog({
  getUser: () => user,
  onChange: (changedUser) => { user = changedUser; },
  onSignOut: () => returnToSignIn('You are signed out everywhere.'),
});
session.addEventListener('access-changed', refreshInBackground);
session.addEventListener('ended', () => returnToSignIn('Your session has ended. Please sign in again.'));
addEventListener('hashchange', () => {
  const link = takeLink();
  if (link) openLink(link);
  else showViewOfUrl();
});

byId('sign-out').addEventListener('click', async () => {
  const error = await signOut().catch(toAppError);
  returnToSignIn(error ? `You are signed out on this page. ${error.message}` : 'You are signed out.');
});

byId('check-approval').addEventListener('click', async () => {
  try {
    await refresh();
    if (isWaitingForApproval()) announce('Not approved yet.');
  } catch (error) {
    showErrorNotification(error);
  }
});

// Polling: an approval shows within 5 s, changes of other users within 30 s or when the tab becomes visible
// again. Hidden tabs do not poll, and the board does not while a dialog is open.
setInterval(() => { if (isWaitingForApproval()) refreshInBackground(); }, 5000);
setInterval(() => { if (isUsingBoard()) refreshInBackground(); }, 30_000);
document.addEventListener('visibilitychange', () => { if (!document.hidden) refreshInBackground(); });

// ---- lost connection ----------------------------------------------------------------------------

let reconnectTimer = null;

/** Tries to reach the server with exponential backoff, up to 30 s between two tries. */
function reconnectAfter(seconds) {
  clearTimeout(reconnectTimer);
  reconnectTimer = setTimeout(() => ping().catch(() => reconnectAfter(Math.min(seconds * 2, 30))), seconds * 1000);
}

const reconnectNow = () => ping().catch(() => {});

connection.addEventListener('unreachable', () => {
  if (!byId('connection-banner').hidden) return;
  byId('connection-banner').hidden = false;
  reconnectAfter(2);
});
connection.addEventListener('reachable', () => {
  if (byId('connection-banner').hidden) return;
  clearTimeout(reconnectTimer);
  if (byId('connection-banner').contains(document.activeElement)) byId('main').focus();
  byId('connection-banner').hidden = true;
  announce('The server can be reached again.');
  refreshInBackground();
});
byId('reconnect').addEventListener('click', reconnectNow);
addEventListener('online', () => { if (!byId('connection-banner').hidden) reconnectNow(); });

// ---- start --------------------------------------------------------------------------------------

const link = takeLink();
if (link) openLink(link);
else byId('sign-in-view').hidden = false;
const message = history.state?.message;
if (message) {
  history.replaceState(null, '');
  byId('sign-in-message').textContent = message;
  byId('sign-in-title').focus();
}
