// The invitations on the people view: make one, which shows its link once, and withdraw open ones.

import { ROLES, roleLabel } from './accounts.js';
import { byId, clearFormError, isolate, setOptions } from './dom.js';
import { createEntryList } from './entry-list.js';
import { showErrorNotification } from './notifications.js';
import { linkUrl } from './one-time-link.js';
import { showSecret } from './secret-dialog.js';
import { post } from './session.js';
import { onSubmit } from './submit.js';
import { formatMoment } from './time.js';
import { markUnchanged } from './unsaved-changes.js';

const form = byId('invite-form');
/** The list of open invitations. Null for users who are not admins. */
let list = null;

/** Loads the open invitations for an admin, and empties the list for any other user. */
export function openInvitations(isAdmin) {
  form.reset();
  clearFormError(form);
  byId('invitations').replaceChildren();
  list = isAdmin ? createList() : null;
  list?.reload();
}

/** Loads the current state of the list. */
export async function refreshInvitations() {
  await list?.refresh();
}

function createList() {
  return createEntryList(byId('invitations'), byId('invitations-title'), {
    path: 'invitations',
    emptyText: 'No invitation is open.',
    describe: ({ email, role, expires_at: expiresAt }) => ({
      name: email ?? 'Anyone with the link',
      badge: roleLabel(role),
      details: `Valid until ${formatMoment(expiresAt)}`,
      end: 'Withdraw',
      ended: 'The invitation is withdrawn.',
    }),
    onError: (error) => showErrorNotification(error),
  });
}

onSubmit(form, async () => {
  const role = form.elements.role.value;
  const email = form.elements.email.value.trim();
  const { json } = await post('invitations', { role, ...(email && { email }) });
  const { token, ...invitation } = json;
  form.reset();
  list?.upsert(invitation);
  // Without an answer to an earlier try the server may have made one more.
  list?.refresh();
  showSecret('Invitation', invitationText(invitation), linkUrl('invitation', token));
});

function invitationText({ role, email, expires_at: expiresAt }) {
  const person = email ? `the person with the address ${isolate(email)}` : 'the person that you invite';
  return `Send this link to ${person}. It creates one account with the role ${roleLabel(role)} and is valid until ${
    formatMoment(expiresAt)}. It is shown only this once.`;
}

setOptions(form.elements.role, ROLES);
markUnchanged(form);
