// The API in the session of the user: requests, tokens, their silent refresh, and what ends the session.
//
// The access token is kept in a variable only: any script of the origin can read localStorage and sessionStorage at any
// later time. (The page's Content-Security-Policy blocks injected scripts.) The refresh token is in a cookie that no
// script can read (HttpOnly), so that a reload stays signed in; the server accepts it only together with the header
// `Refresh-Cookie`, which no other origin can send. All tabs share this cookie, and so the session.
//
// Without cookies the refresh token is in the same variable, each tab has a session of its own, and leaving the page
// ends it.

import { deviceToken, keepDeviceToken } from './device-token.js';
import { sendJson } from './http.js';

let usesCookie = navigator.cookieEnabled;
/** The response to the last sign-in or refresh: the access token `token`, and the `user`. */
let tokens = null;
let pendingRefresh = null;
/**
 * Resolves if the sign-out under way fails. Other requests wait for that: their 401 would look as if the session had ended
 * by itself. After a sign-out the page is left, so they wait for ever.
 */
let signOutFailed = null;
/** See `onSessionEnd`. */
let waitForNextSignIn;
/** Cancels the open GETs at a sign-out, which the server would answer with 401. A change is not cancelled. */
let openReads = new AbortController();

/**
 * Events of the session: `access-changed` when role or approval of the user may have changed, and
 * `signed-in-elsewhere` when another tab has signed in.
 */
export const session = new EventTarget();

/**
 * Sets what happens when the session ends without the user's doing in this tab. `action(reason)` resolves once the same
 * user is signed in again; the requests that failed are then sent again. The reasons: `expired`, `signed-out` (in another
 * tab), `other-account` (another tab has signed in with it).
 */
export function onSessionEnd(action) {
  waitForNextSignIn = action;
}

/** The options of a request that uses the cookie. Only these requests send cookies at all. */
const withCookie = () => usesCookie && { headers: { 'Refresh-Cookie': 'true' }, credentials: 'same-origin' };

// ---- signing in and out -------------------------------------------------------------------------

/** Resolves to the user whom the cookie has signed in, or to null. Throws 401 if the session has ended. */
export async function resume() {
  if (!usesCookie) return null;
  try {
    tokens = await sendRefresh();
    return tokens?.user ?? null;
  } catch (error) {
    if (error.code !== 'not_own_page') throw error;
    // A proxy hides the server's name, so that the server cannot tell this page from those of other origins.
    usesCookie = false;
    return null;
  }
}

/** Signs in and returns the user. */
export async function signIn(email, password) {
  const device = deviceToken(email);
  const body = { email, password, ...(device && { device_token: device }) };
  const { json } = await sendJson('POST', 'login', { body, ...withCookie() });
  tokens = json;
  keepDeviceToken(email, json.device_token);
  tellOtherTabs('signed-in');
  return json.user;
}

/** Ends this session, or with `everywhere` all sessions of the account. Then the caller leaves the page. */
export async function signOut({ everywhere = false } = {}) {
  await pendingRefresh?.catch(() => {});
  openReads.abort();
  openReads = new AbortController();
  const signedOut = endSessions(everywhere);
  signOutFailed = new Promise((resolve) => { signedOut.catch(resolve); });
  await signedOut;
  tokens = null;
  tellOtherTabs('signed-out');
}

async function endSessions(everywhere) {
  if (everywhere) await authorizedRequest('POST', 'me/sessions/revoke-all', { signsOut: true });
  if (usesCookie) await sendLogout();
  else if (!everywhere) await authorizedRequest('POST', 'logout', { signsOut: true });
}

/** Also deletes the cookie. A 401 says that the session has ended already. */
async function sendLogout() {
  try {
    await sendJson('POST', 'logout', { token: tokens?.token, ...withCookie() });
  } catch (error) {
    if (error.status !== 401) throw error;
  }
}

// Without the cookie the tokens are lost with the page, so its session is ended too: it would stay valid for a month
// otherwise. A page that goes into the back/forward cache (`persisted`) keeps them.
addEventListener('pagehide', (event) => {
  if (!usesCookie && tokens && !event.persisted) {
    fetch('logout', { method: 'POST', headers: { Authorization: `Bearer ${tokens.token}` }, keepalive: true });
  }
});

// ---- requests -----------------------------------------------------------------------------------

// Each of these requests resolves to `{ json, version }`: the response body and its ETag.

/** With `version` the `json` is null if the resource still has this ETag (304). */
export const get = (path, version) =>
  authorizedRequest('GET', path, { headers: version && { 'If-None-Match': version } });
/** With `version` the request is conditional (optimistic concurrency): 412 if the resource has another ETag now. */
export const patch = (path, body, version) =>
  authorizedRequest('PATCH', path, { body, headers: version && { 'If-Match': version } });
export const remove = (path, version) =>
  authorizedRequest('DELETE', path, { headers: version && { 'If-Match': version } });
/** A request that is sent again with the same `idempotencyKey` takes effect once. */
export const post = (path, body, idempotencyKey) =>
  authorizedRequest('POST', path, { body, headers: idempotencyKey && { 'Idempotency-Key': idempotencyKey } });

/** Returns a function that gives the same idempotency key for the same body, so that a retry takes effect once. */
export function idempotencyKeys() {
  let last = {};
  return (body) => {
    const json = JSON.stringify(body);
    if (last.json !== json) last = { json, key: randomKey() };
    return last.key;
  };
}

/** Returns 128 random bits in hex. (`crypto.randomUUID` is missing on pages that were loaded without TLS.) */
const randomKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** The error codes that depend on role and approval of the user. */
const ACCESS_CODES = ['awaiting_approval', 'insufficient_role'];

/**
 * Sends a request with the access token, once no refresh, no sign-in and no sign-out is open. After a 401 it refreshes the
 * tokens and sends the request again. `signsOut` marks the requests of the sign-out itself.
 */
async function authorizedRequest(method, path, { signsOut, ...given } = {}) {
  const options = method === 'GET' ? { ...given, signal: openReads.signal } : given;
  const waitForSignOut = () => !signsOut && signOutFailed;
  if (pendingRefresh) await pendingRefresh;
  await waitForSignOut();
  const sentTokens = tokens;
  try {
    return await sendJson(method, path, { ...options, token: sentTokens?.token });
  } catch (error) {
    if (ACCESS_CODES.includes(error.code)) session.dispatchEvent(new Event('access-changed'));
    if (error.status !== 401 || !sentTokens) throw error;
    await waitForSignOut();
    await refreshTokens(sentTokens);
    return sendJson(method, path, { ...options, token: tokens?.token });
  }
}

/**
 * Replaces expired tokens. Each refresh token is for one use (refresh token rotation), so concurrent
 * requests share one refresh, and a request that fails after it uses the new tokens.
 */
async function refreshTokens(expired) {
  if (tokens !== expired) return;
  pendingRefresh ??= replaceTokens().finally(() => { pendingRefresh = null; });
  await pendingRefresh;
}

/** A refresh without an answer fails and ends nothing: the next request tries it again. */
async function replaceTokens() {
  const { user } = tokens;
  const next = await sendRefresh().catch((error) => {
    if (error.status === 401) return null;
    throw error;
  });
  if (next?.user.id === user.id) tokens = next;
  else await waitForNextSignIn(next ? 'other-account' : 'expired');
}

/** Resolves to new tokens, or to null if there is no cookie. */
async function sendRefresh() {
  const { json } = await sendJson('POST', 'refresh', usesCookie ? withCookie() : { token: tokens.refresh_token });
  return json;
}

// ---- other tabs ---------------------------------------------------------------------------------

const otherTabs = new BroadcastChannel(`session of ${location.pathname}`);

function tellOtherTabs(event) {
  if (usesCookie) otherTabs.postMessage({ event, userId: tokens?.user.id });
}

otherTabs.addEventListener('message', ({ data: { event, userId } }) => {
  if (!usesCookie || !tokens) return;
  if (event === 'signed-in' && userId === tokens.user.id) session.dispatchEvent(new Event('signed-in-elsewhere'));
  else endSession(event === 'signed-out' ? 'signed-out' : 'other-account');
});

/** Requests wait until the next sign-in. */
function endSession(reason) {
  pendingRefresh ??= waitForNextSignIn(reason).finally(() => { pendingRefresh = null; });
}

/** Takes over the session of another tab. Resolves to whether it is one of the same user. */
export async function takeOverSession() {
  const next = await sendRefresh();
  const isSameUser = next?.user.id === tokens.user.id;
  if (isSameUser) tokens = next;
  return isSameUser;
}
