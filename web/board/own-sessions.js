// The sessions of the current user in the account dialog: where the account is signed in, and signing out there.

import { byId, clearFormError, confirmDialog, isolate, part, showFormError } from './dom.js';
import { createEntryList } from './entry-list.js';
import { signOut } from './session.js';
import { formatMoment } from './time.js';
import { mayDiscard } from './unsaved-changes.js';

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
    if (!await mayDiscard()) return;
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
    ended: `${isolate(name)} is signed out.`,
  };
}

// ---- the browser and the system of a session ----------------------------------------------------

/** The first pattern that matches decides: most browsers also name those that they descend from. */
const BROWSERS = [
  [/\bEdg(e|A|iOS)?\//, 'Edge'], [/\bOPR\//, 'Opera'], [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(Firefox|FxiOS)\//, 'Firefox'], [/\b(Headless)?(Chrome|CriOS)\//, 'Chrome'], [/\bSafari\//, 'Safari'],
];
const SYSTEMS = [
  [/\bAndroid\b/, 'Android'], [/\biPhone\b/, 'iPhone'], [/\biPad\b/, 'iPad'], [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'], [/\bCrOS\b/, 'ChromeOS'], [/\bLinux\b/, 'Linux'],
];

const nameIn = (names, userAgent) => names.find(([pattern]) => pattern.test(userAgent))?.[1];

/** Returns a text such as `Firefox on Windows`. A program that is no browser is named as it names itself. */
function describeUserAgent(userAgent) {
  if (!userAgent) return 'Unknown program';
  const browser = nameIn(BROWSERS, userAgent);
  const system = nameIn(SYSTEMS, userAgent);
  if (!browser) return userAgent.split(' ')[0].slice(0, 60);
  return system ? `${browser} on ${system}` : browser;
}
