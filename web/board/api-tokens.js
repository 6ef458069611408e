// The current user's tokens for scripts in the account dialog: the list, making one (it is shown once), and revoking.

import { byId, clearFormError, isolate, setOptions, showFormError } from './dom.js';
import { createEntryList } from './entry-list.js';
import { showSecret } from './secret-dialog.js';
import { post } from './session.js';
import { onSubmit } from './submit.js';
import { formatMoment } from './time.js';
import { markUnchanged } from './unsaved-changes.js';

const section = byId('tokens-section');
const disclosure = byId('new-token');
const form = byId('token-form');

const DAY = 86_400;
/** The choices of the lifetime as pairs of seconds and label. No seconds: the token does not expire. */
const LIFETIMES = [
  [7 * DAY, '7 days'], [30 * DAY, '30 days'], [90 * DAY, '90 days'], [365 * DAY, '1 year'], ['', 'No expiry'],
];
const SCOPES = [['read', 'Read only'], ['full', 'Read and change']];

/** Prepares the section. Returns a function that loads the list. */
export function initApiTokens() {
  setOptions(form.elements.scope, SCOPES);
  setOptions(form.elements.expires_in, LIFETIMES);
  const list = createEntryList(byId('tokens'), byId('tokens-title'), {
    path: 'me/tokens',
    emptyText: 'You have no tokens.',
    describe: describeToken,
    onError: (error) => showFormError(section, error),
  });
  onSubmit(form, async () => {
    const { token, ...entry } = await createToken();
    closeForm();
    list.upsert(entry);
    // Without an answer to an earlier try the server may have made one more.
    list.refresh();
    const text = 'A script sends it in the header “Authorization: Bearer …”. It is shown only this once.';
    showSecret(`Token ${quoted(entry.name)}`, text, token);
  });
  return () => {
    clearFormError(section);
    closeForm();
    list.reload();
  };
}

async function createToken() {
  const { name, scope, expires_in: lifetime, current_password: password } = form.elements;
  const { json } = await post('me/tokens', {
    name: name.value,
    scope: scope.value,
    ...(lifetime.value && { expires_in: Number(lifetime.value) }),
    current_password: password.value,
  });
  return json;
}

function closeForm() {
  form.reset();
  form.elements.expires_in.value = 30 * DAY;
  markUnchanged(form);
  clearFormError(form);
  disclosure.open = false;
}

const quoted = (name) => `“${isolate(name)}”`;

function describeToken({ name, scope, last_used_at: lastUsedAt, expires_at: expiresAt }) {
  const lastUse = lastUsedAt ? `Last used on ${formatMoment(lastUsedAt)}` : 'Never used';
  return {
    name,
    badge: SCOPES.find(([value]) => value === scope)?.[1] ?? scope,
    details: `${lastUse}, ${expiresAt ? `expires on ${formatMoment(expiresAt)}` : 'does not expire'}`,
    end: 'Revoke',
    question: `Revoke the token ${quoted(name)}? Scripts that use it no longer work.`,
    ended: `The token ${quoted(name)} is revoked.`,
  };
}
