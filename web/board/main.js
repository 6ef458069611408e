// Which view is shown: the entrance, the wait for approval, the tasks, or the people.

import { onAccount } from './account.js';
import { connection, get, ping, session, signOut } from './api.js';
import { openBoard, refreshBoard } from './board.js';
import { byId } from './dom.js';
import { onEntry } from './entrance.js';
import { failureOf } from './failure.js';
import { announce, clearNotices, showFailure, showNotice } from './notices.js';
import { openPeople, refreshPeople } from './people.js';

/** Each view, and the title that takes the focus when it opens. */
const VIEWS = { entrance: 'entrance-title', waiting: 'waiting-title', 'tasks-view': 'tasks-title', 'people-view': 'people-title' };

let user = null;

function show(view) {
  for (const name of Object.keys(VIEWS)) byId(name).hidden = name !== view;
  document.title = `${byId(VIEWS[view]).textContent} · Task board`;
  byId(VIEWS[view]).focus();
}

/** Shows what whoever is signed in may see. */
function enter(signedIn) {
  user = signedIn;
  clearNotices();
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  byId('whoami').hidden = false;
  byId('my-name').textContent = user.username;
  byId('my-role').textContent = user.role;
  byId('views').hidden = !user.is_approved || user.role !== 'admin';
  if (!user.is_approved) {
    byId('waiting-name').textContent = user.username;
    show('waiting');
    return;
  }
  openPeople(user.role === 'admin');
  openBoard(user);
  showChosen();
}

/** Goes back to the entrance by loading the page anew: nothing of whoever leaves, shown or under way, is left. */
function leave(word) {
  history.replaceState({ word }, '', location.pathname);
  location.reload();
}

/** The view that the URL names, so that links and the back button work. */
function showChosen() {
  if (!user?.is_approved || location.hash === '#main') return;
  const isPeople = location.hash === '#people' && user.role === 'admin';
  for (const link of byId('views').querySelectorAll('a')) {
    link.ariaCurrent = (link.hash === '#people') === isPeople ? 'page' : null;
  }
  show(isPeople ? 'people-view' : 'tasks-view');
}

/** Counts the looks: the answer to an earlier one is too late. */
let looks = 0;

/** Asks again who one is: a role or an approval may have changed, and counts at once. */
async function lookAgain() {
  if (!user) return;
  looks += 1;
  const mine = looks;
  const { json } = await get('me');
  if (mine !== looks) return;
  const isSame = ['role', 'is_approved'].every((right) => json[right] === user[right]);
  if (!isSame) {
    enter(json);
    showNotice(json.is_approved ? `You are let in as ${json.role} now.` : 'Your account waits for approval now.');
  } else if (user.is_approved) {
    await Promise.all([refreshBoard(), refreshPeople()]);
  }
}

/** The same where nobody has asked for it: if it fails, the next time will do. */
const lookQuietly = () => lookAgain().catch(() => {});

const isWaiting = () => user && !user.is_approved && !document.hidden;
const isWorking = () => user?.is_approved && !document.hidden && !document.querySelector('dialog[open]');

onEntry(enter);
onAccount({
  user: () => user,
  changed: (json) => { user = json; },
  left: () => leave('You are signed out everywhere.'),
});
session.addEventListener('changed', lookQuietly);
session.addEventListener('ended', () => leave('Your session has ended. Please sign in again.'));
addEventListener('hashchange', showChosen);

byId('sign-out').addEventListener('click', async () => {
  const failure = await signOut().catch(failureOf);
  leave(failure ? `You are signed out here. ${failure.message}` : 'You are signed out.');
});

byId('check-approval').addEventListener('click', async () => {
  try {
    await lookAgain();
    if (isWaiting()) announce('Not yet.');
  } catch (error) {
    showFailure(error);
  }
});

// Who waits need not press a button; who works, or comes back to the page, sees what others did meanwhile.
setInterval(() => { if (isWaiting()) lookQuietly(); }, 5000);
setInterval(() => { if (isWorking()) lookQuietly(); }, 30_000);
document.addEventListener('visibilitychange', () => { if (!document.hidden) lookQuietly(); });

// ---- a lost connection --------------------------------------------------------------------------

let patience = null;

/** Tries until the server answers, more and more seldom. */
function reconnectAfter(seconds) {
  clearTimeout(patience);
  patience = setTimeout(() => ping().catch(() => reconnectAfter(Math.min(seconds * 2, 30))), seconds * 1000);
}

const reconnect = () => ping().catch(() => {});

connection.addEventListener('lost', () => {
  if (!byId('lost').hidden) return;
  byId('lost').hidden = false;
  reconnectAfter(2);
});
connection.addEventListener('found', () => {
  if (byId('lost').hidden) return;
  clearTimeout(patience);
  if (byId('lost').contains(document.activeElement)) byId('main').focus();
  byId('lost').hidden = true;
  announce('The server is there again.');
  lookQuietly();
});
byId('reconnect').addEventListener('click', reconnect);
addEventListener('online', () => { if (!byId('lost').hidden) reconnect(); });

// ---- the beginning ------------------------------------------------------------------------------

byId('entrance').hidden = false;
const word = history.state?.word;
if (word) {
  history.replaceState(null, '');
  byId('entrance-word').textContent = word;
  byId('entrance-title').focus();
}
