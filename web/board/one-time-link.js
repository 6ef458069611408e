// One-time links: `#invitation=TOKEN` creates an account, `#reset=TOKEN` sets a new password. The token is in the
// fragment, which browsers send to no server.

import { reload } from './unsaved-changes.js';

/**
 * Takes a one-time link out of the URL, so that its token is neither visible nor part of a bookmark. Returns its
 * `kind`, `invitation` or `reset`, and its `token`, or null if the URL has none.
 */
export function takeLink() {
  const match = /^#(invitation|reset)=(.*)$/.exec(location.hash);
  if (!match) return null;
  history.replaceState(history.state, '', location.pathname);
  return { kind: match[1], token: match[2] };
}

/** Whether the token has the form of one. It does not if the link was cut when it was copied. */
export const isComplete = ({ token }) => /^[\w-]{43}$/.test(token);

/** Opens a link anew: reloads the page with it. */
export function reopenLink({ kind, token }) {
  history.replaceState(null, '', `#${kind}=${token}`);
  reload();
}

/** The URL of a link. Other browsers reach this page under the address of this browser. */
export const linkUrl = (kind, token) => `${location.origin}${location.pathname}#${kind}=${token}`;
