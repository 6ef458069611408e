// Accounts: their names on cards and in forms, and for admins who is let in, and as what.

import { Failure, failureOf, get, patch, remove } from './api.js';
import { afterPause, byId, confirmed, copyOf, part, setOptions } from './dom.js';
import { announce, showFailure } from './notices.js';
import { PagedList } from './paged-list.js';
import { day } from './time.js';

// ---- names --------------------------------------------------------------------------------------

/** Name by id, as far as they have been asked for. */
let names = new Map();

/** The name of the account with this id. */
export function nameOf(id) {
  if (!names.has(id)) {
    const gone = ({ code }) => { names.delete(id); return code === 'not_found' ? 'nobody' : '…'; };
    names.set(id, get(`users/${id}`).then(({ json }) => json.username, gone));
  }
  return names.get(id);
}

/** The account with this name. `field` is the one that a failure is shown at. */
export async function accountNamed(name, field) {
  let found;
  let cursor;
  do {
    const page = await accountsLike(name, cursor);
    found = page.items.find(({ username }) => username === name);
    cursor = page.next_cursor;
  } while (!found && cursor);
  if (!found) throw new Failure('Please look at what is marked below.', { fields: { [field]: `Nobody is called “${name}”.` } });
  return found;
}

/** A page of the accounts whose name or e-mail contains this. */
async function accountsLike(q, cursor) {
  const { json } = await get(`users?${new URLSearchParams({ q, limit: 100, ...(cursor && { cursor }) })}`);
  for (const { id, username } of json.items) names.set(id, Promise.resolve(username));
  return json;
}

/** Offers the names of accounts while one is typed. */
export function suggestAccounts(input) {
  const suggest = async () => {
    const { items } = await accountsLike(input.value.trim()).catch(() => ({ items: [] }));
    byId('account-names').replaceChildren(...items.map(({ username }) => new Option(username, username)));
  };
  input.addEventListener('input', afterPause(suggest));
  input.addEventListener('focus', suggest);
}

// ---- the queue and the accounts -----------------------------------------------------------------

export const ROLES = [['employee', 'Employee'], ['manager', 'Manager'], ['admin', 'Admin']];

const search = byId('account-search');
let lists = null;

/** Makes the lists for an admin; without one there are none. */
export function openPeople(isAdmin) {
  names = new Map();
  search.reset();
  byId('queue').replaceChildren();
  byId('accounts').replaceChildren();
  lists = isAdmin ? { queue: queue(), accounts: accounts() } : null;
  byId('queue-size').hidden = true;
  lists?.queue.begin();
  lists?.accounts.begin();
}

/** Puts the lists right after something else may have changed them. */
export async function refreshPeople() {
  await Promise.all([lists?.queue.refresh(), lists?.accounts.refresh()]);
}

function queue() {
  return accountList('queue', 'Waiting for approval', {
    query: () => ({ path: 'users', parameters: { approved: false } }),
    empty: 'Nobody is waiting.',
    changed: ({ size, hasMore }) => {
      byId('queue-size').hidden = size === 0;
      byId('queue-size').textContent = hasMore ? `${size}+` : size;
      byId('queue-size').title = 'waiting for approval';
    },
  });
}

function accounts() {
  return accountList('accounts', 'Approved accounts', {
    query: () => {
      const q = search.elements.q.value.trim();
      return { path: 'users', parameters: { approved: true, ...(q && { q }) } };
    },
    empty: 'No account matches.',
  });
}

function accountList(id, label, options) {
  const list = new PagedList({ label, make: row, fill, compare: (a, b) => a.id - b.id, ...options });
  byId(id).append(list.element);
  return list;
}

search.addEventListener('submit', (event) => event.preventDefault());
search.elements.q.addEventListener('input', afterPause(() => lists?.accounts.begin()));

function row() {
  const element = copyOf('account');
  const act = (name, event, change) => part(element, name).addEventListener(event, () => change(element));
  setOptions(part(element, 'role'), ROLES);
  act('role', 'change', ({ item }) => { if (item.is_approved) change(element, { role: chosenRole(element) }); });
  act('approve', 'click', () => change(element, { role: chosenRole(element), is_approved: true }));
  act('withdraw', 'click', () => change(element, { is_approved: false }));
  act('delete', 'click', () => removeAccount(element));
  return element;
}

const chosenRole = (element) => part(element, 'role').value;

function fill(element, account) {
  const { username, email, role, created_at: since, is_approved: isApproved } = account;
  part(element, 'name').textContent = username;
  part(element, 'facts').textContent = since ? `${email}, since ${day(since)}` : email;
  const select = part(element, 'role');
  // What the Flask app has stored may be none of the roles; it counts as the least.
  select.value = ROLES.some(([value]) => value === role) ? role : 'employee';
  select.setAttribute('aria-label', `Role of ${username}`);
  for (const name of ['approve', 'withdraw', 'delete']) {
    const button = part(element, name);
    button.setAttribute('aria-label', `${button.textContent.trim()}: ${username}`);
  }
  part(element, 'approve').hidden = isApproved;
  part(element, 'withdraw').hidden = !isApproved;
}

async function change(element, changes) {
  const account = element.item;
  try {
    const { json } = await patch(`users/${account.id}`, changes);
    moveAccount(json);
    announce(said(json, changes));
  } catch (error) {
    fill(element, account);
    showFailure(failureOf(error));
  }
}

function said({ username, role }, { is_approved: isApproved }) {
  if (isApproved === undefined) return `${username} is ${role} now.`;
  return isApproved ? `${username} is let in as ${role}.` : `${username} is not let in any more.`;
}

/** Shows an account in the list that it belongs to. */
function moveAccount(account) {
  const [to, from] = account.is_approved ? [lists.accounts, lists.queue] : [lists.queue, lists.accounts];
  const hadFocus = from.row(account.id)?.contains(document.activeElement);
  from.drop(account.id);
  const element = to.put(account);
  if (hadFocus) part(element, 'role').focus();
}

async function removeAccount(element) {
  const { id, username } = element.item;
  if (!await confirmed(`Delete the account of ${username}? Its tasks stay, assigned to nobody.`, 'Delete')) return;
  try {
    await remove(`users/${id}`);
    lists.queue.drop(id);
    lists.accounts.drop(id);
    names.delete(id);
    announce(`The account of ${username} is deleted.`);
    byId('people-title').focus();
  } catch (error) {
    showFailure(failureOf(error));
  }
}
