// The entry point. Finds out who is signed in, decides which view is shown (sign-in, one-time links, waiting for
// approval, tasks, people), and keeps the current user up to date by polling.

import { initAccountDialog } from './account-dialog.js';
import { openBoard, pollBoard, refreshBoard } from './board.js';
import { initConnectionBanner } from './connection-banner.js';
import { byId, topDialog } from './dom.js';
import { isUnanswered, whenReachable } from './http.js';
import { forgetVersion } from './live-updates.js';
import { announce, clearNotifications, showErrorNotification, showNotification } from './notifications.js';
import { isComplete, reopenLink, takeLink } from './one-time-link.js';
import { openPeople, refreshPeople } from './people.js';
import { get, onSessionEnd, resume, session, signOut } from './session.js';
import { askToSignInAgain, initSignIn, initSignInAgain, showFormOfLink } from './sign-in.js';
import { adaptTaskDialog } from './task-dialog.js';
import { closeDialogs, hasUnsavedChanges, mayDiscard, reload } from './unsaved-changes.js';
import { showView } from './views.js';

let user = null;

/** Shows the page for a user: after the sign-in, and after a change of role or approval. */
function showUser(currentUser) {
  user = currentUser;
  clearNotifications();
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

// ---- the end of the session ---------------------------------------------------------------------

/** Returns to the sign-in view by reloading the page. The message survives the reload in `history.state`. */
function returnToSignIn(message) {
  history.replaceState({ message }, '', location.pathname);
  reload();
}

const isEditing = () => topDialog() !== undefined || hasUnsavedChanges();

const END_TEXTS = {
  expired: 'Your session has ended. Please sign in again.',
  'signed-out': 'You are signed out.',
  'other-account': 'Another account is signed in in this browser now.',
};

onSessionEnd((reason) => {
  if (isEditing()) return askToSignInAgain(user, END_TEXTS[reason]);
  if (reason === 'other-account') reload();
  else returnToSignIn(END_TEXTS[reason]);
  // Never resolves: the open requests show no error until the page is gone.
  return new Promise(() => {});
});

byId('sign-out').addEventListener('click', async () => {
  if (!await mayDiscard()) return;
  try {
    await signOut();
    returnToSignIn('You are signed out.');
  } catch (error) {
    showErrorNotification(error.withPrefix('You are not signed out.'), () => byId('sign-out').click());
  }
});

// ---- the view of the URL ------------------------------------------------------------------------

/** The URL of the view that is shown. */
let shownUrl;

/** Hash routing: shows the view that the URL names, so that links and the back button work. */
function showViewOfUrl() {
  if (!user?.is_approved) return;
  shownUrl = location.href;
  const isPeople = location.hash === '#people' && user.role === 'admin';
  for (const link of byId('view-links').querySelectorAll('a')) {
    link.ariaCurrent = (link.hash === '#people') === isPeople ? 'page' : null;
  }
  showView(isPeople ? 'people-view' : 'tasks-view');
}

addEventListener('hashchange', async () => {
  const link = takeLink();
  if (!link && (!user || location.hash === '#main' || location.href === shownUrl)) return;
  if (link) history.replaceState(null, '', shownUrl);
  if (await mayDiscard()) {
    if (link) openLink(link);
    else leaveView();
  } else if (!link && location.href !== shownUrl) {
    history.pushState(null, '', shownUrl);
  }
});

function leaveView() {
  closeDialogs();
  showViewOfUrl();
  if (changedUser) changeAccess(changedUser);
}

// ---- one-time links -----------------------------------------------------------------------------

/** The link that waits for the user to sign out. It is kept in this variable only. */
let waitingLink = null;

/** Shows the form of a one-time link. A user who is signed in on this page is asked first. */
function openLink(link) {
  closeDialogs();
  if (topDialog() === byId('sign-in-again-dialog')) {
    reopenLink(link);
  } else if (user) {
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
  try {
    await signOut();
    reopenLink(waitingLink);
  } catch (error) {
    showErrorNotification(error.withPrefix('You are not signed out.'), () => byId('sign-out-for-link').click());
  }
});

// ---- refreshing ---------------------------------------------------------------------------------

/** A generation counter of the refreshes: the response to an earlier one is ignored. */
let refreshGeneration = 0;

/** Loads the current user and the lists. */
async function refresh() {
  if (await refreshUser() && user.is_approved) await Promise.all([refreshBoard(), refreshPeople()]);
}

/**
 * Loads the current user. Resolves to whether the lists are still to be loaded: a new role or approval loads them when it
 * is shown, and the response to an earlier refresh counts for nothing.
 */
async function refreshUser() {
  if (!user) return false;
  refreshGeneration += 1;
  const generation = refreshGeneration;
  const { json } = await get('me');
  if (generation !== refreshGeneration) return false;
  // Compared first: `changeAccess` may set `user`.
  const isShown = hasSameAccess(json, user);
  if (!hasSameAccess(json, changedUser ?? user)) changeAccess(json);
  if (isShown) user = json;
  return isShown;
}

const hasSameAccess = (a, b) => a.role === b.role && a.is_approved === b.is_approved;

/** The user with another role or approval, as long as the page does not show it yet. */
let changedUser = null;

/** Shows a change of role or approval: at once, or when no dialog is open and no text is changed any more. */
function changeAccess(currentUser) {
  const text = accessChangeText(user, currentUser);
  if (!isEditing()) {
    changedUser = null;
    showUser(currentUser);
    showNotification(text);
  } else {
    changedUser = hasSameAccess(currentUser, user) ? null : currentUser;
    adaptTaskDialog(currentUser, text);
    if (!topDialog()) showNotification(text);
  }
}

function accessChangeText(before, now) {
  if (!now.is_approved) return 'Your account is waiting for approval.';
  if (!before.is_approved) return `Your account is approved. Your role is ${now.role}.`;
  return `Your role is now ${now.role}.`;
}

// A `close` event does not bubble, but it can be captured.
document.addEventListener('close', () => { if (changedUser && !isEditing()) changeAccess(changedUser); }, { capture: true });

/** A refresh that the user did not ask for shows no error: the next one follows soon. */
const refreshInBackground = () => refresh().catch(() => {});

const isWaitingForApproval = () => user && !user.is_approved && !document.hidden;

initSignIn({
  onSignIn: showUser,
  onReset: (message) => returnToSignIn(message),
  onDeadLink: () => showDeadLink('It was used already, was withdrawn or has expired.'),
});
initSignInAgain({ onLeave: () => returnToSignIn() });
initAccountDialog({
  getUser: () => user,
  onChange: ({ email }) => { user = { ...user, email }; },
  onSignOut: () => returnToSignIn('You are signed out everywhere.'),
});
initConnectionBanner({ onReachable: refreshInBackground });
session.addEventListener('access-changed', refreshInBackground);

byId('check-approval').addEventListener('click', async () => {
  try {
    await refresh();
    if (isWaitingForApproval()) announce('Not approved yet.');
  } catch (error) {
    showErrorNotification(error);
  }
});

// Polling: what others do to tasks and a change of the own role show within 2 s, an approval within 5 s; the lists of
// accounts are at most 30 s old. A hidden page asks nothing; everything is loaded when it becomes visible again.
const isUsingBoard = () => user?.is_approved && !document.hidden;
/** The pause after a poll that failed and whose response does not say when to try again. */
const PAUSE_AFTER_FAILURE_S = 10;
let isPolling = false;
let nextPoll = 0;

async function poll() {
  if (isPolling || !isUsingBoard() || performance.now() < nextPoll) return;
  isPolling = true;
  try {
    // The tag of the summary depends on the role of the user too.
    if (await pollBoard()) await refreshUser();
  } catch ({ retryAfter = PAUSE_AFTER_FAILURE_S }) {
    forgetVersion();
    nextPoll = performance.now() + retryAfter * 1000;
  } finally {
    isPolling = false;
  }
}

setInterval(poll, 2000);
setInterval(() => { if (isWaitingForApproval()) refreshInBackground(); }, 5000);
setInterval(() => { if (isUsingBoard()) refreshPeople().catch(() => {}); }, 30_000);
document.addEventListener('visibilitychange', () => { if (!document.hidden) refreshInBackground(); });

// ---- start --------------------------------------------------------------------------------------

/** Resolves to the user who is signed in already, or to null. Without an answer it tries again. */
async function findUser() {
  for (;;) {
    try {
      return await resume();
    } catch (error) {
      if (error.status === 401) {
        byId('sign-in-message').textContent = END_TEXTS.expired;
        return null;
      }
      if (!isUnanswered(error)) throw error;
      await whenReachable();
    }
  }
}

async function start(link) {
  byId('loading').textContent = 'Loading…';
  try {
    const signedIn = await findUser();
    byId('loading').textContent = '';
    if (signedIn) showUser(signedIn);
    if (link) openLink(link);
    else if (!signedIn) showSignIn();
  } catch (error) {
    showErrorNotification(error, () => start(link));
  }
}

function showSignIn() {
  byId('sign-in-view').hidden = false;
  const message = history.state?.message;
  if (!message) return;
  history.replaceState(null, '');
  byId('sign-in-message').textContent = message;
  byId('sign-in-title').focus();
}

const link = takeLink();
shownUrl = location.href;
start(link);
