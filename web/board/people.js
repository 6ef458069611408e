// Accounts: their names on cards and in forms, and for admins who is let in, and as what.

import { get, patch, remove, session } from './api.js';
import { afterPause, byId, confirmed, copyOf, part, setOptions } from './dom.js';
import { Failure, failureOf } from './failure.js';
import { announce, showFailure } from './notices.js';
import { PagedList } from './paged-list.js';
import { day } from './time.js';

// ---- names --------------------------------------------------------------------------------------

/** Name by id, as far as they have been asked for. */
const names = new Map();
/** The first accounts, which are those of most cards: one request for all of them. */
let first = null;

/** The name of the account with this id. */
export async function nameOf(id) {
  first ??= accountsLike('').catch(() => { first = null; });
  await first;
  if (!names.has(id)) {
    names.set(id, get(`users/${id}`).then(({ json }) => json.username, (failure) => {
      names.delete(id);
      return failure.code === 'not_found' ? 'nobody' : '…';
    }));
  }
  return names.get(id);
}

/** The account with this name. `field` is the one that a failure is shown at. */
export async function accountNamed(name, field) {
  let cursor;
  do {
    const page = await accountsLike(name, cursor);
    const found = page.items.find(({ username }) => username === name);
    if (found) return found;
    cursor = page.next_cursor;
  } while (cursor);
  throw Failure.at({ [field]: `Nobody is called “${name}”.` });
}

/** A page of the accounts whose name or e-mail contains this. */
async function accountsLike(q, cursor) {
  const { json } = await get(`users?${new URLSearchParams({ q, limit: 100, ...(cursor && { cursor }) })}`);
  for (const { id, username } of json.items) names.set(id, username);
  return json;
}

/** Offers the names of accounts while one is typed. */
export function suggestAccounts(input) {
  const suggest = async () => {
    const typed = input.value.trim();
    const { items } = await accountsLike(typed).catch(() => ({ items: [] }));
    if (input.value.trim() !== typed) return;
    byId('account-names').replaceChildren(...items.map(({ username }) => new Option(username, username)));
  };
  input.addEventListener('input', afterPause(suggest));
  input.addEventListener('focus', suggest);
}

// ---- the queue and the accounts -----------------------------------------------------------------

const ROLES = [['employee', 'Employee'], ['manager', 'Manager'], ['admin', 'Admin']];

const search = byId('account-search');
/** The list of those who wait, and that of those who are let in; nobody but an admin has them. */
let lists = [];

/** Shows the accounts to an admin. */
export function openPeople(isAdmin) {
  search.reset();
  byId('queue').replaceChildren();
  byId('accounts').replaceChildren();
  lists = isAdmin ? [queue(), accounts()] : [];
  lists.forEach((list) => list.begin());
}

/** Puts the lists right after something may have changed them. */
export async function refreshPeople() {
  await Promise.all(lists.map((list) => list.refresh()));
}

function queue() {
  return accountList('queue', {
    query: () => ({ path: 'users', parameters: { approved: false } }),
    empty: 'Nobody is waiting.',
    changed: ({ size, hasMore }) => {
      byId('queue-size').hidden = size === 0;
      byId('queue-size').textContent = hasMore ? `${size}+` : size;
    },
  });
}

function accounts() {
  return accountList('accounts', {
    query: () => {
      const q = search.elements.q.value.trim();
      return { path: 'users', parameters: { approved: true, ...(q && { q }) } };
    },
    empty: 'No account matches.',
  });
}

function accountList(id, options) {
  const title = byId(`${id}-title`);
  const list = new PagedList({
    label: title.textContent, title, make: row, fill, compare: (a, b) => a.id - b.id, ...options,
  });
  byId(id).append(list.element);
  return list;
}

search.addEventListener('submit', (event) => event.preventDefault());
search.elements.q.addEventListener('input', afterPause(() => lists[1]?.begin()));

function row() {
  const element = copyOf('account');
  const on = (name, event, act) => part(element, name).addEventListener(event, () => act(element));
  setOptions(part(element, 'role'), ROLES);
  on('role', 'change', showApply);
  on('apply', 'click', apply);
  on('withdraw', 'click', withdraw);
  on('delete', 'click', removeAccount);
  return element;
}

/** What the Flask app has stored may be none of the roles; it counts as the least. */
const roleOf = ({ role }) => (ROLES.some(([value]) => value === role) ? role : 'employee');

function fill(element, account) {
  const { username, email, created_at: since, is_approved: isApproved } = account;
  const role = part(element, 'role');
  part(element, 'name').textContent = username;
  part(element, 'facts').textContent = since ? `${email}, since ${day(since)}` : email;
  // A choice that is not applied yet stays.
  if (element.item?.role !== account.role) role.value = roleOf(account);
  role.setAttribute('aria-label', `Role of ${username}`);
  part(element, 'apply').textContent = isApproved ? 'Change role' : 'Approve';
  for (const name of ['apply', 'withdraw', 'delete']) {
    part(element, name).setAttribute('aria-label', `${part(element, name).textContent}: ${username}`);
  }
  part(element, 'withdraw').hidden = !isApproved;
  showApply(element, account);
}

/** A choice alone does nothing: with the keyboard one passes by others on the way to it. */
function showApply(element, account = element.item) {
  part(element, 'apply').hidden = account.is_approved && part(element, 'role').value === roleOf(account);
}

function apply(element) {
  const role = part(element, 'role').value;
  const { username } = element.item;
  return change(element, { role, is_approved: true }, `${username} is let in as ${role} now.`);
}

const withdraw = (element) =>
  change(element, { is_approved: false }, `${element.item.username} is not let in any more.`);

const change = (element, changes, done) => act(element, async ({ id }) => {
  await patch(`users/${id}`, changes);
  return done;
});

const removeAccount = (element) => act(element, async ({ id, username }) => {
  if (!await confirmed(`Delete the account of ${username}? Its tasks stay, assigned to nobody.`, 'Delete')) return null;
  await remove(`users/${id}`);
  names.delete(id);
  return `The account of ${username} is deleted.`;
});

/** Does something to a row's account, says so, and has everything looked at again: it may be one's own. */
async function act(element, done) {
  const account = element.item;
  try {
    const words = await done(account);
    if (!words) return;
    announce(words);
  } catch (error) {
    showFailure(failureOf(error).of(`${account.username}:`));
    part(element, 'role').value = roleOf(account);
    showApply(element);
  }
  session.dispatchEvent(new Event('changed'));
}
