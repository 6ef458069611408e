// Talks to the API: who is signed in, and errors as words.

import { Failure } from './failure.js';

// The tokens are in this variable and nowhere else. What is in localStorage or sessionStorage any script of the
// origin can read at any time later, an injected one too, and carry away a token that is good for a day. (That no
// such script gets in is the part of the page's policy.) The price is that reloading the page signs out. A cookie
// that scripts cannot read would spare that, but a browser sends cookies along with what other websites make it ask
// for, and the API would need a second way in.
let tokens = null;

/** Tells that the session is over (`ended`), or that it may permit something else by now (`changed`). */
export const session = new EventTarget();

/** Tells whether the server answers: `lost` and `found`. */
export const connection = new EventTarget();

/** What the API answers: the JSON, and the version that it shows. */
export const get = (path) => request('GET', path);
/** `version` is the one that is to be changed; if it is another by then, nothing changes. */
export const patch = (path, body, version) => request('PATCH', path, { body, headers: version && { 'If-Match': version } });
export const remove = (path, version) => request('DELETE', path, { headers: version && { 'If-Match': version } });
/** Sent again with the same key it is still done once. */
export const post = (path, body, key) => request('POST', path, { body, headers: { 'Idempotency-Key': key } });

/** A key that nobody else has. (`crypto.randomUUID` is missing where the page came without TLS.) */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Signs in and returns the account. */
export async function signIn(email, password) {
  const { json } = await send('POST', 'login', { body: { email, password } });
  tokens = json;
  return json.user;
}

/** Ends the session, or all of the account's. */
export async function signOut({ everywhere = false } = {}) {
  await request('POST', everywhere ? 'me/sessions/revoke-all' : 'logout');
  tokens = null;
}

// The tokens are gone with the page: its session ends too, instead of lying about for a month.
addEventListener('pagehide', (event) => {
  if (tokens && !event.persisted) {
    fetch('logout', { method: 'POST', headers: { Authorization: `Bearer ${tokens.token}` }, keepalive: true });
  }
});

/** Asks whether the server is there. */
export async function ping() {
  await reach('healthz');
}

/** What is refused for who one is, and not for what one asks. */
const RIGHTS = ['awaiting_approval', 'insufficient_role'];

/** Sends a request on behalf of whoever is signed in, with a new token where the old one has expired. */
async function request(method, path, options) {
  const sent = tokens;
  try {
    return await send(method, path, { ...options, token: sent?.token });
  } catch (failure) {
    if (RIGHTS.includes(failure.code)) session.dispatchEvent(new Event('changed'));
    if (failure.status !== 401 || !sent) throw failure;
    await refreshed(sent);
    return send(method, path, { ...options, token: tokens?.token });
  }
}

let refreshing = null;

/** Waits until the tokens are others than these; several requests that find them expired share one exchange. */
function refreshed(old) {
  if (tokens !== old) return Promise.resolve();
  refreshing ??= send('POST', 'refresh', { token: old.refresh_token })
    .then(({ json }) => { tokens = json; })
    .catch((failure) => {
      if (failure.status === 401) session.dispatchEvent(new Event('ended'));
      throw failure;
    })
    .finally(() => { refreshing = null; });
  return refreshing;
}

async function send(method, path, { body, headers, token }) {
  const response = await reach(path, {
    method,
    headers: {
      ...headers,
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(body && { 'Content-Type': 'application/json' }),
    },
    body: body && JSON.stringify(body),
  });
  const json = response.status === 204 ? null : await response.json().catch(() => undefined);
  if (!response.ok) throw failure(response, json);
  if (json === undefined) throw new Failure('The server gave an answer that cannot be read. Try again.');
  return { json, version: response.headers.get('ETag') };
}

/** The answer, whatever it says; that there is none is a failure. */
async function reach(path, options) {
  try {
    const signal = AbortSignal.timeout(30_000);
    const response = await fetch(path, { ...options, signal, cache: 'no-store', credentials: 'omit' });
    connection.dispatchEvent(new Event('found'));
    return response;
  } catch {
    connection.dispatchEvent(new Event('lost'));
    throw new Failure('The server cannot be reached.');
  }
}

function failure(response, json) {
  const { status } = response;
  const { code, msg, errors } = json ?? {};
  const wait = Number(response.headers.get('Retry-After')) || undefined;
  if (errors) return Failure.at(errors, { status, code });
  const words = WORDS[code]?.(wait) ?? msg ?? `The server answered ${status}. Try again later.`;
  return new Failure(words, { status, code, wait });
}

const seconds = (wait = 1) => (wait === 1 ? 'a second' : `${wait} seconds`);

/** What the API says to programmers, as one would say it to the user of a page. The rest is said well already. */
const WORDS = {
  wrong_email_or_password: () => 'E-mail or password are wrong.',
  account_exists: () => 'There is an account with this name or e-mail already.',
  not_found: () => 'It is not there any more.',
  precondition_failed: () => 'Somebody else has changed it since you opened it. Nothing was saved.',
  last_admin: () => 'This is the last admin: make another one first.',
  too_many_requests: (wait) => `That was too often. Try again in ${seconds(wait)}.`,
  busy: (wait) => `The server is busy. Try again in ${seconds(wait)}.`,
  internal_error: () => 'Something went wrong in the server. Try again; if it stays, tell whoever runs it.',
};
