// Accounts: their roles with labels, the lookup of an account by its name, and suggestions of names while the user types
// (a `<datalist>`).

import { AppError } from './app-error.js';
import { byId, debounce, isolate } from './dom.js';
import { get } from './session.js';

/** The roles as pairs of value and label. */
export const ROLES = [['employee', 'Employee'], ['manager', 'Manager'], ['admin', 'Admin']];

export const roleLabel = (role) => ROLES.find(([value]) => value === role)?.[1] ?? role;

/** The role of an account. Any other text (the Flask app may have stored one) has the rights of an employee. */
export const roleOf = ({ role }) => (ROLES.some(([value]) => value === role) ? role : 'employee');

/** Whether the user may see, create, change and assign every task; others see and move their own. */
export const managesTasks = (user) => user.is_approved && roleOf(user) !== 'employee';

/** Resolves to the account with exactly this name. If none exists, the form field `field` gets the error. */
export async function findAccount(name, field) {
  let cursor;
  do {
    const page = await searchAccounts(name, cursor);
    const account = page.items.find(({ username }) => username === name);
    if (account) return account;
    cursor = page.next_cursor;
  } while (cursor);
  throw AppError.forFields({ [field]: `No account has the name “${isolate(name)}”.` });
}

/**
 * Resolves to a page of the accounts whose name or e-mail contains `q`. A page that looked at many accounts may
 * be empty although more follow; the next page is requested then.
 */
async function searchAccounts(q, cursor) {
  const { json } = await get(`users?${new URLSearchParams({ q, limit: 100, ...(cursor && { cursor }) })}`);
  return json.items.length === 0 && json.next_cursor ? searchAccounts(q, json.next_cursor) : json;
}

/** Suggests account names while the user types in `input`. */
export function suggestAccountNames(input) {
  const suggest = async () => {
    const typed = input.value.trim();
    const { items } = await searchAccounts(typed).catch(() => ({ items: [] }));
    if (input.value.trim() !== typed) return;
    byId('account-names').replaceChildren(...items.map(({ username }) => new Option(username, username)));
  };
  input.addEventListener('input', debounce(suggest));
  input.addEventListener('focus', suggest);
}
