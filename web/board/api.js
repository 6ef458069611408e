// Talks to the API: who is signed in, and errors as words.

// The tokens live in this module and nowhere else. What is in localStorage or sessionStorage every script of the
// page can read, an injected one too, and it could carry a token away that is good for a day; a variable of a module
// is out of reach for all but the module. The price is that reloading the page signs out. A cookie that scripts
// cannot read would spare that, but browsers send cookies along with what other websites make them ask for, and the
// API would need a second way in.
let tokens = null;

/** Whoever is signed in hears here that the session is over (`ended`), or that it permits something else (`changed`). */
export const session = new EventTarget();

/** Whether the server answers: `lost` and `found`. */
export const connection = new EventTarget();

/** Why a request failed, in words. `fields` has what is wrong with each field, `wait` the seconds to wait. */
export class Failure extends Error {
  constructor(words, { code, fields, wait } = {}) {
    super(words);
    this.words = words;
    this.code = code;
    this.fields = fields;
    this.wait = wait;
  }
}

/** Anything that was thrown, as a failure. */
export function failureOf(error) {
  if (error instanceof Failure) return error;
  console.error(error);
  return new Failure('Something went wrong on this page. Reload it, and sign in again.');
}

/** What the API answers: the JSON, and the version that it shows. */
export const get = (path) => request('GET', path);
/** `version` is the one that is to be changed; if it is another by then, nothing changes. */
export const patch = (path, body, version) => request('PATCH', path, { body, headers: version && { 'If-Match': version } });
export const remove = (path, version) => request('DELETE', path, { headers: version && { 'If-Match': version } });
/** Sent again with the same key it is still done once. */
export const post = (path, body, key) => request('POST', path, { body, headers: key && { 'Idempotency-Key': key } });

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

/** Signs out. The tokens are forgotten even if the server does not hear of it. */
export async function signOut() {
  await endBy('logout');
}

/** The same on every device. */
export async function signOutEverywhere() {
  await endBy('me/sessions/revoke-all');
}

async function endBy(path) {
  const told = send('POST', path, { token: tokens?.token });
  tokens = null;
  await told;
}

// The tokens are gone with the page: its session ends too, instead of lying about for a month.
addEventListener('pagehide', (event) => {
  if (tokens && !event.persisted) {
    fetch('logout', { method: 'POST', headers: { Authorization: `Bearer ${tokens.token}` }, keepalive: true });
  }
});

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

/** What is refused for who one is, and not for what one asks. */
const RIGHTS = ['awaiting_approval', 'insufficient_role'];

let refreshing = null;

/** Waits until the tokens are others than these; several requests that find them expired share one exchange. */
function refreshed(old) {
  if (tokens !== old) return Promise.resolve();
  refreshing ??= send('POST', 'refresh', { token: old.refresh_token })
    .then(({ json }) => { if (tokens === old) tokens = json; })
    .catch((failure) => {
      if (failure.status === 401 && tokens === old) {
        tokens = null;
        session.dispatchEvent(new Event('ended'));
      }
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
  const json = await response.json().catch(() => null);
  if (!response.ok) throw failure(response, json);
  return { json, version: response.headers.get('ETag') };
}

/** The answer, whatever it says; no answer is a failure too. */
async function reach(path, options) {
  try {
    const response = await fetch(path, { ...options, cache: 'no-store', credentials: 'omit' });
    connection.dispatchEvent(new Event('found'));
    return response;
  } catch {
    connection.dispatchEvent(new Event('lost'));
    throw new Failure('The server cannot be reached.', { code: 'unreachable' });
  }
}

/** Asks whether the server is there. */
export async function ping() {
  await reach('healthz', {});
}

function failure(response, json) {
  const wait = Number(response.headers.get('Retry-After')) || undefined;
  const words = WORDS[json?.code]?.(wait) ?? json?.msg ?? `The server answered ${response.status}.`;
  const fields = json?.errors;
  return Object.assign(new Failure(words, { code: json?.code, fields, wait }), { status: response.status });
}

const seconds = (wait = 1) => (wait === 1 ? 'a second' : `${wait} seconds`);

/** What the API says to programmers, as one would say it to the user of a page. The rest is said well already. */
const WORDS = {
  invalid: () => 'Please look at what is marked below.',
  wrong_email_or_password: () => 'E-mail or password are wrong.',
  account_exists: () => 'There is an account with this name or e-mail already.',
  not_found: () => 'It is not there any more.',
  precondition_failed: () => 'Somebody else has changed it since you opened it. Nothing was saved.',
  last_admin: () => 'This is the last admin: make another one first.',
  too_many_requests: (wait) => `That was too often. Try again in ${seconds(wait)}.`,
  busy: (wait) => `The server is busy. Try again in ${seconds(wait)}.`,
  internal_error: () => 'Something went wrong in the server. Try again; if it stays, tell whoever runs it.',
};
