// Sends requests to the API, and turns what comes back into a value or into an error with a text for the user. A
// response that is not the API's own, such as that of a proxy in front of the server, is an error of its own.

import { AppError } from './app-error.js';

/**
 * Events of the connection, one for each request: `reachable`, `unreachable` (no answer of the server), or
 * `intercepted` (a proxy answers in its place and asks the user to sign in).
 */
export const connection = new EventTarget();

/**
 * How long a request waits for its response. The server accepts a replaced refresh token from the cookie for 120 s: enough
 * for this time, a minute without network, and a retry.
 */
const TIMEOUT_MS = 15_000;

/** Resolves with the next answer of the server to any request. */
export const whenReachable = () =>
  new Promise((resolve) => { connection.addEventListener('reachable', resolve, { once: true }); });

/** Checks whether the server can be reached. */
export const ping = () => sendJson('GET', 'healthz');

/** Whether the server has not answered: a request may have taken effect, and can be sent again. */
export const isUnanswered = ({ code }) => code === 'unreachable' || code === 'intercepted';

/**
 * Sends a request. Resolves to `{ json, version }`: the response body (null if there is none) and its ETag. Cookies are
 * sent only with `credentials`.
 */
export async function sendJson(method, path, { body, headers, token, credentials = 'omit', signal } = {}) {
  const { response, text } = await send(path, {
    method,
    headers: {
      ...headers,
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(body && { 'Content-Type': 'application/json' }),
    },
    body: body && JSON.stringify(body),
    credentials,
  }, signal);
  const isEmpty = [204, 304].includes(response.status);
  const json = isEmpty ? null : parseJson(text);
  report(response, json);
  if (!response.ok && !isEmpty) throw errorOf(response, json);
  if (json === undefined) throw new AppError('The server sent a response that this page cannot read. Try again.');
  return { json, version: response.headers.get('ETag') };
}

/** Resolves to the response and its text. The API redirects nothing, so no redirect is followed. `end` cancels it. */
async function send(path, options, end) {
  try {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const signal = end ? AbortSignal.any([end, timeout]) : timeout;
    const response = await fetch(path, { ...options, signal, cache: 'no-store', redirect: 'manual' });
    return { response, text: await response.text() };
  } catch {
    if (end?.aborted) throw new AppError('The request was cancelled.');
    throw unanswered('unreachable', 'The server cannot be reached.');
  }
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Dispatches the event that says whether the server has answered. Throws if it has not. */
function report(response, json) {
  const { status, type } = response;
  const isHtml = /^text\/html/i.test(response.headers.get('Content-Type'));
  const isOwnError = Boolean(json?.msg) && /^[a-z_]+$/.test(json.code ?? '');
  const asksToSignIn = [401, 403, 407, 511].includes(status) && !isOwnError;
  if (type === 'opaqueredirect' || asksToSignIn || (response.ok && isHtml)) {
    throw unanswered('intercepted', 'A proxy in front of this server asks you to sign in.');
  }
  if ([502, 503, 504].includes(status) && !isOwnError) {
    throw unanswered('unreachable', `The server responded with status ${status}. Try again later.`);
  }
  connection.dispatchEvent(new Event('reachable'));
}

function unanswered(code, message) {
  connection.dispatchEvent(new Event(code));
  return new AppError(message, { code });
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
