// Which view is shown: the entrance, the wait for approval, the tasks, or the people.

import { onAccount } from './account.js';
import { connection, failureOf, get, ping, session, signOut } from './api.js';
import { openBoard, refreshBoard } from './board.js';
import { byId } from './dom.js';
import { onEntry, openEntrance } from './entrance.js';
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
  clear();
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

/** Takes away what belonged to the view of before. */
function clear() {
  clearNotices();
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
}

function leave(word) {
  user = null;
  clear();
  byId('whoami').hidden = true;
  byId('views').hidden = true;
  openEntrance(word);
  show('entrance');
}

/** The view that the URL names, so that links and the back button work. */
function showChosen() {
  if (!user?.is_approved) return;
  const people = location.hash === '#people' && user.role === 'admin';
  for (const link of byId('views').querySelectorAll('a')) {
    const isCurrent = (link.hash === '#people') === people;
    isCurrent ? link.setAttribute('aria-current', 'page') : link.removeAttribute('aria-current');
  }
  show(people ? 'people-view' : 'tasks-view');
}

/** Asks again who one is: a role or an approval may have changed, and counts at once. */
async function lookAgain() {
  if (!user) return;
  const { json } = await get('me');
  if (!user) return;
  const isSame = ['role', 'is_approved'].every((right) => json[right] === user[right]);
  if (!isSame) {
    enter(json);
    showNotice(json.is_approved ? `You are let in as ${json.role} now.` : 'Your account waits for approval now.');
  } else if (user.is_approved) {
    await Promise.all([refreshBoard(), refreshPeople()]);
  }
}

const isWaiting = () => user && !user.is_approved && !document.hidden;
const isWorking = () => user?.is_approved && !document.hidden && !document.querySelector('dialog[open]');

onEntry(enter);
onAccount({
  user: () => user,
  changed: (json) => { user = json; },
  left: () => leave('You are signed out everywhere.'),
});
session.addEventListener('changed', () => lookAgain().catch(() => {}));
session.addEventListener('ended', () => leave('Your session has ended. Please sign in again.'));
addEventListener('hashchange', showChosen);

byId('sign-out').addEventListener('click', async () => {
  const told = signOut();
  leave('You are signed out.');
  await told.catch((error) => showFailure(failureOf(error)));
});

byId('check-approval').addEventListener('click', async () => {
  try {
    await lookAgain();
    if (isWaiting()) announce('Not yet.');
  } catch (error) {
    showFailure(failureOf(error));
  }
});

// Who waits need not press a button; who works, or comes back to the page, sees what others did meanwhile.
setInterval(() => { if (isWaiting()) lookAgain().catch(() => {}); }, 5000);
setInterval(() => { if (isWorking()) lookAgain().catch(() => {}); }, 30_000);
document.addEventListener('visibilitychange', () => { if (!document.hidden) lookAgain().catch(() => {}); });

// ---- a lost connection --------------------------------------------------------------------------

let patience = null;

/** Tries until the server answers, more and more seldom. */
function reconnectAfter(seconds) {
  clearTimeout(patience);
  patience = setTimeout(() => ping().catch(() => reconnectAfter(Math.min(seconds * 2, 30))), seconds * 1000);
}

connection.addEventListener('lost', () => {
  if (!byId('lost').hidden) return;
  byId('lost').hidden = false;
  reconnectAfter(2);
});
connection.addEventListener('found', () => {
  if (byId('lost').hidden) return;
  clearTimeout(patience);
  byId('lost').hidden = true;
  announce('The server is there again.');
  lookAgain().catch(() => {});
});
byId('reconnect').addEventListener('click', () => ping().catch(() => {}));
addEventListener('online', () => { if (!byId('lost').hidden) ping().catch(() => {}); });

byId('entrance').hidden = false;
openEntrance();
