// Account names: a cache from id to name for the cards, the lookup of an account by its name, and suggestions
// while the user types (a `<datalist>`).

import { get } from './api.js';
import { AppError } from './app-error.js';
import { byId, debounce } from './dom.js';

/** Names, or promises of names, by account id. */
const names = new Map();
/** The request for the first page of accounts. It fills the cache with the names that most cards need. */
let firstPage = null;

/** Resolves to the name of the account with this id. */
export async function accountName(id) {
  firstPage ??= searchAccounts('').catch(() => { firstPage = null; });
  await firstPage;
  if (!names.has(id)) {
    names.set(id, get(`users/${id}`).then(({ json }) => json.username, (error) => {
      names.delete(id);
      return error.code === 'not_found' ? 'Unassigned' : '…';
    }));
  }
  return names.get(id);
}

/** Removes an account that was deleted from the cache. */
export const forgetAccountName = (id) => names.delete(id);

/** Resolves to the account with exactly this name. If none exists, the form field `field` gets the error. */
export async function findAccount(name, field) {
  let cursor;
  do {
    const page = await searchAccounts(name, cursor);
    const account = page.items.find(({ username }) => username === name);
    if (account) return account;
    cursor = page.next_cursor;
  } while (cursor);
  throw AppError.forFields({ [field]: `No account has the name “${name}”.` });
}

/**
 * Resolves to a page of the accounts whose name or e-mail contains `q`. A page that looked at many accounts may
 * be empty although more follow; the next page is requested then.
 */
async function searchAccounts(q, cursor) {
  const { json } = await get(`users?${new URLSearchParams({ q, limit: 100, ...(cursor && { cursor }) })}`);
  for (const { id, username } of json.items) names.set(id, username);
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
