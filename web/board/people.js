// The people view, for admins: invite people, approve accounts, change roles, withdraw approvals, make links that
// reset a password, sign accounts out and delete them.
//
// A change names the version of the account that the row shows (If-Match). An approval therefore takes effect on
// nothing but what the admin has seen.

import { ROLES, roleOf } from './accounts.js';
import { AppError, toAppError } from './app-error.js';
import { byId, cloneTemplate, confirmDialog, debounce, isolate, part, setOptions } from './dom.js';
import { InfiniteList, countText } from './infinite-list.js';
import { openInvitations, refreshInvitations } from './invitations.js';
import { announce, showErrorNotification } from './notifications.js';
import { linkUrl } from './one-time-link.js';
import { showSecret } from './secret-dialog.js';
import { get, patch, post, remove, session } from './session.js';
import { formatDate, formatMoment } from './time.js';

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
  openInvitations(isAdmin);
}

/** Loads the current state of the rows that are shown. An account that changes its list is never in both. */
export async function refreshPeople() {
  const shows = await Promise.all([...lists.map((list) => list.prepareRefresh()), refreshInvitations()]);
  shows.forEach((show) => show?.());
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

/** The name of an account in a sentence. */
const nameOf = ({ username }) => isolate(username);

function createRow() {
  const row = cloneTemplate('account-template');
  const on = (name, event, action) => part(row, name).addEventListener(event, () => action(row));
  setOptions(part(row, 'role'), ROLES);
  on('role', 'change', updateApplyButton);
  on('apply', 'click', applyRole);
  on('delete', 'click', deleteAccount);
  on('more', 'click', toggleMore);
  on('reset-password', 'click', resetPassword);
  on('sign-out', 'click', signOutEverywhere);
  on('withdraw', 'click', withdrawApproval);
  return row;
}

function updateRow(row, account) {
  const { username, email, created_at: createdAt, is_approved: isApproved } = account;
  const role = part(row, 'role');
  part(row, 'name').textContent = username;
  part(row, 'details').textContent = createdAt ? `${isolate(email)}, since ${formatDate(createdAt)}` : isolate(email);
  // A refresh keeps a role that the admin has chosen but not applied yet.
  if (row.item?.role !== account.role) role.value = roleOf(account);
  role.setAttribute('aria-label', `Role of ${nameOf(account)}`);
  part(row, 'apply').textContent = isApproved ? 'Change role' : 'Approve';
  for (const name of ['apply', 'delete', 'more', 'reset-password', 'sign-out', 'withdraw']) {
    part(row, name).setAttribute('aria-label', `${part(row, name).textContent}: ${nameOf(account)}`);
  }
  part(row, 'withdraw').hidden = !isApproved;
  updateApplyButton(row, account);
}

/**
 * Shows the button that applies the chosen role. The selection alone changes nothing, because a keyboard
 * user passes through other roles on the way to the wanted one.
 */
function updateApplyButton(row, account = row.item) {
  const [apply, role] = [part(row, 'apply'), part(row, 'role')];
  const isHidden = account.is_approved && role.value === roleOf(account);
  if (isHidden && document.activeElement === apply) role.focus();
  apply.hidden = isHidden;
}

/** Shows or hides the actions that are needed seldom. */
function toggleMore(row) {
  const actions = part(row, 'more-actions');
  actions.hidden = !actions.hidden;
  part(row, 'more').ariaExpanded = String(!actions.hidden);
}

function applyRole(row) {
  const role = part(row, 'role').value;
  return updateAccount(row, { role, is_approved: true }, `${nameOf(row.item)} is approved as ${role}.`);
}

const withdrawApproval = (row) =>
  updateAccount(row, { is_approved: false }, `${nameOf(row.item)} is no longer approved.`);

const updateAccount = (row, changes, successText) => runAction(row, async (account) => {
  await patch(`users/${account.id}`, changes, await versionOf(account));
  return successText;
});

const deleteAccount = (row) => runAction(row, async (account) => {
  const name = nameOf(account);
  if (!await confirmDialog(`Delete the account of ${name}? Its tasks stay, unassigned.`, 'Delete')) return null;
  await remove(`users/${account.id}`, await versionOf(account));
  return `The account of ${name} is deleted.`;
});

const resetPassword = (row) => runAction(row, async (account) => {
  const question = `Make a link with which ${nameOf(account)} sets a new password? An earlier link no longer works then.`;
  if (!await confirmDialog(question, 'Make a link')) return null;
  const { json } = await post(`users/${account.id}/password-reset`);
  const text = `Send this link to ${nameOf(json)}. It sets a new password once, ends all sessions and tokens of the `
    + `account, and is valid until ${formatMoment(json.expires_at)}. It is shown only this once.`;
  showSecret('New password', text, linkUrl('reset', json.token));
  return `The link for ${nameOf(json)} is made.`;
});

const signOutEverywhere = (row) => runAction(row, async (account) => {
  if (!await confirmDialog(`Sign ${nameOf(account)} out on every device?`, 'Sign out everywhere')) return null;
  await remove(`users/${account.id}/sessions`);
  return `${nameOf(account)} is signed out everywhere.`;
});

/** The properties of an account that a row shows. */
const SHOWN_PROPERTIES = ['username', 'email', 'role', 'is_approved', 'created_at'];

/**
 * Resolves to the version of an account for If-Match. The list has no versions, so the account is read again; if it
 * is not as the row shows it, the admin has to look at it first.
 */
async function versionOf(account) {
  const { json, version } = await get(`users/${account.id}`);
  if (SHOWN_PROPERTIES.some((name) => json[name] !== account[name])) {
    throw new AppError('', { code: 'precondition_failed' });
  }
  return version;
}

/** The text for an account that is not, or no longer, as the row shows it. */
const CHANGED_TEXT = 'The account has changed or was deleted in the meantime. Nothing was done: look at it again.';

function errorOf(error) {
  const appError = toAppError(error);
  return ['precondition_failed', 'not_found'].includes(appError.code) ? new AppError(CHANGED_TEXT) : appError;
}

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
    showErrorNotification(errorOf(error).withPrefix(`${nameOf(account)}:`));
    part(row, 'role').value = roleOf(account);
    updateApplyButton(row);
  }
  session.dispatchEvent(new Event('access-changed'));
}
