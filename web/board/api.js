// The client of the API: tokens, silent token refresh, conditional requests (If-Match), idempotency keys,
// and the API's errors as texts for the user.

import { AppError } from './app-error.js';
import { deviceToken, keepDeviceToken } from './device-token.js';

// The tokens are kept in this variable only. Any script of the origin can read localStorage and
// sessionStorage at any later time; an injected script could steal a token there that is valid for a day.
// (The page's Content-Security-Policy blocks such scripts.) The disadvantage is that a reload signs the user
// out. An HttpOnly cookie would avoid that, but browsers also attach cookies to requests that
// other websites cause (CSRF), and the API would need a second way to authenticate.
let tokens = null;

/** Events of the session: `ended`, and `access-changed` when role or approval of the user may have changed. */
export const session = new EventTarget();

/** Events of the connection, one for each request: `reachable` or `unreachable`. */
export const connection = new EventTarget();

// Each of these four resolves to `{ json, version }`: the response body and its ETag.

export const get = (path) => authorizedRequest('GET', path);
/** With `version` the request is conditional (optimistic concurrency): 412 if the resource has another ETag now. */
export const patch = (path, body, version) =>
  authorizedRequest('PATCH', path, { body, headers: version && { 'If-Match': version } });
export const remove = (path, version) =>
  authorizedRequest('DELETE', path, { headers: version && { 'If-Match': version } });
/** A request that is sent again with the same `idempotencyKey` takes effect once. */
export const post = (path, body, idempotencyKey) =>
  authorizedRequest('POST', path, { body, headers: idempotencyKey && { 'Idempotency-Key': idempotencyKey } });

/** Returns 128 random bits in hex. (`crypto.randomUUID` is missing on pages that were loaded without TLS.) */
export function newIdempotencyKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Signs in and returns the user. */
export async function signIn(email, password) {
  const device = deviceToken(email);
  const { json } = await sendJson('POST', 'login', { body: { email, password, ...(device && { device_token: device }) } });
  tokens = json;
  keepDeviceToken(email, json.device_token);
  return json.user;
}

/** Ends this session, or with `everywhere` all sessions of the account. */
export async function signOut({ everywhere = false } = {}) {
  await authorizedRequest('POST', everywhere ? 'me/sessions/revoke-all' : 'logout');
  tokens = null;
}

// The tokens are lost with the page, so its session is ended too: it would stay valid for a month
// otherwise. A page that goes into the back/forward cache (`persisted`) keeps them.
addEventListener('pagehide', (event) => {
  if (tokens && !event.persisted) {
    fetch('logout', { method: 'POST', headers: { Authorization: `Bearer ${tokens.token}` }, keepalive: true });
  }
});

/** Checks whether the server can be reached. */
export async function ping() {
  await send('healthz');
}

/** The error codes that depend on role and approval of the user. */
const ACCESS_CODES = ['awaiting_approval', 'insufficient_role'];

/** Sends a request with the access token. After a 401 it refreshes the tokens and sends the request again. */
async function authorizedRequest(method, path, options) {
  const sentTokens = tokens;
  try {
    return await sendJson(method, path, { ...options, token: sentTokens?.token });
  } catch (error) {
    if (ACCESS_CODES.includes(error.code)) session.dispatchEvent(new Event('access-changed'));
    if (error.status !== 401 || !sentTokens) throw error;
    await refreshTokens(sentTokens);
    return sendJson(method, path, { ...options, token: tokens?.token });
  }
}

let pendingRefresh = null;

/**
 * Replaces expired tokens. Each refresh token is for one use (refresh token rotation), so concurrent
 * requests share one refresh, and a request that fails after it uses the new tokens.
 */
function refreshTokens(expired) {
  if (tokens !== expired) return Promise.resolve();
  pendingRefresh ??= sendJson('POST', 'refresh', { token: expired.refresh_token })
    .then(({ json }) => { tokens = json; })
    .catch((error) => {
      if (error.status === 401) session.dispatchEvent(new Event('ended'));
      throw error;
    })
    .finally(() => { pendingRefresh = null; });
  return pendingRefresh;
}

async function sendJson(method, path, { body, headers, token }) {
  const response = await send(path, {
    method,
    headers: {
      ...headers,
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(body && { 'Content-Type': 'application/json' }),
    },
    body: body && JSON.stringify(body),
  });
  const json = response.status === 204 ? null : await response.json().catch(() => undefined);
  if (!response.ok) throw errorOf(response, json);
  if (json === undefined) throw new AppError('The server sent a response that this page cannot read. Try again.');
  return { json, version: response.headers.get('ETag') };
}

/** Resolves to the response, whatever its status; throws if there is none within 30 s. */
async function send(path, options) {
  try {
    const signal = AbortSignal.timeout(30_000);
    const response = await fetch(path, { ...options, signal, cache: 'no-store', credentials: 'omit' });
    connection.dispatchEvent(new Event('reachable'));
    return response;
  } catch {
    connection.dispatchEvent(new Event('unreachable'));
    throw new AppError('The server cannot be reached.');
  }
}

function errorOf(response, json) {
  const { status } = response;
  const { code, msg, errors } = json ?? {};
  const retryAfter = Number(response.headers.get('Retry-After')) || undefined;
  if (errors) return AppError.forFields(errors, { status, code });
  const message = MESSAGES[code]?.(retryAfter) ?? msg ?? `The server responded with status ${status}. Try again later.`;
  return new AppError(message, { status, code, retryAfter });
}

const seconds = (count = 1) => (count === 1 ? '1 second' : `${count} seconds`);

/** Texts for error codes whose `msg` is written for programmers. For all other codes the page shows `msg`. */
const MESSAGES = {
  wrong_email_or_password: () => 'The e-mail or password is wrong.',
  account_exists: () => 'An account with this name or e-mail already exists.',
  not_found: () => 'It is no longer available.',
  precondition_failed: () => 'Someone else has changed this since you opened it. Nothing was saved.',
  last_admin: () => 'This is the last admin. Make another account an admin first.',
  too_many_requests: (retryAfter) => `Too many requests. Try again in ${seconds(retryAfter)}.`,
  busy: (retryAfter) => `The server is busy. Try again in ${seconds(retryAfter)}.`,
  internal_error: () => 'Something went wrong on the server. Try again. If it keeps happening, tell the operator of this server.',
};
