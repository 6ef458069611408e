// The sessions of the current user in the account dialog: where the account is signed in, and signing out there.

import { signOut } from './api.js';
import { byId, clearFormError, confirmDialog, part, showFormError } from './dom.js';
import { createEntryList } from './entry-list.js';
import { formatMoment } from './time.js';
import { describeUserAgent } from './user-agent.js';

const section = byId('sessions-section');

/** `onSignOut()` is called after all sessions of the account have ended. Returns a function that loads the list. */
export function initOwnSessions({ onSignOut }) {
  const list = createEntryList(byId('sessions'), byId('sessions-title'), {
    path: 'me/sessions',
    emptyText: 'No session is known.',
    describe: describeSession,
    onError: (error) => showFormError(section, error),
  });
  part(section, 'sign-out-everywhere').addEventListener('click', async () => {
    if (!await confirmDialog('Sign out here and on every other device?', 'Sign out everywhere')) return;
    try {
      await signOut({ everywhere: true });
      onSignOut();
    } catch (error) {
      showFormError(section, error);
    }
  });
  return () => {
    clearFormError(section);
    list.reload();
  };
}

function describeSession({ current, address, user_agent: userAgent, last_used_at: lastUsedAt }) {
  const name = describeUserAgent(userAgent);
  return {
    name,
    badge: current ? 'This device' : null,
    details: `Address ${address}, last used on ${formatMoment(lastUsedAt)}`,
    tooltip: userAgent,
    end: current ? null : 'Sign out there',
    ended: `${name} is signed out.`,
  };
}
