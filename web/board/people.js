// The people view, for admins: approve accounts, change roles, withdraw approvals and delete accounts.

import { forgetAccountName } from './account-names.js';
import { patch, remove, session } from './api.js';
import { toAppError } from './app-error.js';
import { byId, cloneTemplate, confirmDialog, debounce, part, setOptions } from './dom.js';
import { InfiniteList, countText } from './infinite-list.js';
import { announce, showErrorNotification } from './notifications.js';
import { formatDate } from './time.js';

const ROLES = [['employee', 'Employee'], ['manager', 'Manager'], ['admin', 'Admin']];

const searchForm = byId('account-search');
/** The lists of unapproved and of approved accounts. Empty for users who are not admins. */
let lists = [];

/** Loads the lists for an admin, and empties the view for any other user. */
export function openPeople(isAdmin) {
  searchForm.reset();
  byId('unapproved-accounts').replaceChildren();
  byId('approved-accounts').replaceChildren();
  lists = isAdmin ? [createUnapprovedList(), createApprovedList()] : [];
  lists.forEach((list) => list.reload());
}

/** Loads the current state of the rows that are shown. */
export async function refreshPeople() {
  await Promise.all(lists.map((list) => list.refresh()));
}

function createUnapprovedList() {
  return createAccountList('unapproved-accounts', {
    getQuery: () => ({ path: 'users', parameters: { approved: false } }),
    emptyText: 'No accounts are waiting.',
    onChange: (list) => {
      byId('unapproved-count').hidden = list.size === 0;
      byId('unapproved-count').textContent = countText(list);
    },
  });
}

function createApprovedList() {
  return createAccountList('approved-accounts', {
    getQuery: () => {
      const q = searchForm.elements.q.value.trim();
      return { path: 'users', parameters: { approved: true, ...(q && { q }) } };
    },
    emptyText: 'No accounts match.',
  });
}

function createAccountList(id, options) {
  const title = byId(`${id}-title`);
  const list = new InfiniteList({
    label: title.textContent, focusFallback: title, createRow, updateRow, compare: (a, b) => a.id - b.id, ...options,
  });
  byId(id).append(list.element);
  return list;
}

searchForm.addEventListener('submit', (event) => event.preventDefault());
searchForm.elements.q.addEventListener('input', debounce(() => lists[1]?.reload()));

function createRow() {
  const row = cloneTemplate('account-template');
  const on = (name, event, action) => part(row, name).addEventListener(event, () => action(row));
  setOptions(part(row, 'role'), ROLES);
  on('role', 'change', updateApplyButton);
  on('apply', 'click', applyRole);
  on('withdraw', 'click', withdrawApproval);
  on('delete', 'click', deleteAccount);
  return row;
}

/** The role of an account. Any other text (the Flask app may have stored one) has the rights of an employee. */
const roleOf = ({ role }) => (ROLES.some(([value]) => value === role) ? role : 'employee');

function updateRow(row, account) {
  const { username, email, created_at: createdAt, is_approved: isApproved } = account;
  const role = part(row, 'role');
  part(row, 'name').textContent = username;
  part(row, 'details').textContent = createdAt ? `${email}, since ${formatDate(createdAt)}` : email;
  // A refresh keeps a role that the admin has chosen but not applied yet.
  if (row.item?.role !== account.role) role.value = roleOf(account);
  role.setAttribute('aria-label', `Role of ${username}`);
  part(row, 'apply').textContent = isApproved ? 'Change role' : 'Approve';
  for (const name of ['apply', 'withdraw', 'delete']) {
    part(row, name).setAttribute('aria-label', `${part(row, name).textContent}: ${username}`);
  }
  part(row, 'withdraw').hidden = !isApproved;
  updateApplyButton(row, account);
}

/**
 * Shows the button that applies the chosen role. The selection alone changes nothing, because a keyboard
 * user passes through other roles on the way to the wanted one.
 */
function updateApplyButton(row, account = row.item) {
  part(row, 'apply').hidden = account.is_approved && part(row, 'role').value === roleOf(account);
}

function applyRole(row) {
  const role = part(row, 'role').value;
  const { username } = row.item;
  return updateAccount(row, { role, is_approved: true }, `${username} is approved as ${role}.`);
}

const withdrawApproval = (row) =>
  updateAccount(row, { is_approved: false }, `${row.item.username} is no longer approved.`);

const updateAccount = (row, changes, successText) => runAction(row, async ({ id }) => {
  await patch(`users/${id}`, changes);
  return successText;
});

const deleteAccount = (row) => runAction(row, async ({ id, username }) => {
  if (!await confirmDialog(`Delete the account of ${username}? Its tasks stay, unassigned.`, 'Delete')) return null;
  await remove(`users/${id}`);
  forgetAccountName(id);
  return `The account of ${username} is deleted.`;
});

/**
 * Runs an action on a row's account and announces the text that it resolves to (null: cancelled).
 * Afterwards, also after an error, `access-changed` makes the page load the current user and the lists
 * again: admins can change their own account.
 */
async function runAction(row, action) {
  const account = row.item;
  try {
    const successText = await action(account);
    if (!successText) return;
    announce(successText);
  } catch (error) {
    showErrorNotification(toAppError(error).withPrefix(`${account.username}:`));
    part(row, 'role').value = roleOf(account);
    updateApplyButton(row);
  }
  session.dispatchEvent(new Event('access-changed'));
}
