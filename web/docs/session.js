// The session of this page: it signs in and out, renews an expired access token, and follows the requests that Swagger UI
// sends, since some of them begin, renew or end a session.

// The tokens and their user, as POST /login returns them. They are kept in this variable only: any script of the origin
// could read them in the browser's storage at any later time.
let tokens = null;

// Whether this page has begun the session itself. One that the user has begun with POST /login outlives the page, since
// the token may have been copied to another program.
let isOfThisPage = false;

/** The event `change`, for each change of the tokens or their user. Its `detail` is a text for the user, or null. */
export const changes = new EventTarget();

/** The tokens and the user, or null. */
export const current = () => tokens;

function set(newTokens, detail = null) {
  tokens = newTokens;
  changes.dispatchEvent(new CustomEvent('change', { detail }));
}

/** Signs in. Throws an Error whose message is a text for the user. */
export async function signIn(email, password) {
  const newTokens = await post('login', { body: { email, password } });
  isOfThisPage = true;
  set(newTokens);
}

/** Signs out. The tokens are forgotten even if the server cannot be told. */
export async function signOut() {
  const { token } = tokens;
  set(null, 'You are signed out.');
  await post('logout', { token });
}

// The tokens are lost with the page, so its session is ended too. A page that goes into the back/forward cache
// (`persisted`) keeps them.
addEventListener('pagehide', (event) => {
  if (tokens && isOfThisPage && !event.persisted) {
    fetch('logout', { method: 'POST', headers: authorization(tokens.token), keepalive: true });
  }
});

const authorization = (token) => ({ Authorization: `Bearer ${token}` });

async function post(path, { body, token }) {
  let response;
  try {
    response = await fetch(path, {
      method: 'POST',
      headers: { ...(token && authorization(token)), ...(body && { 'Content-Type': 'application/json' }) },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
  } catch {
    throw new Error('The server cannot be reached.');
  }
  const json = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw Object.assign(new Error(messageOf(response, json)), { status: response.status });
  return json;
}

function messageOf({ status, headers }, error) {
  const seconds = Number(headers.get('Retry-After'));
  if (error?.code === 'wrong_email_or_password') return 'The e-mail or password is wrong.';
  const message = error?.msg ?? `The server responded with status ${status}.`;
  if (status === 429) return `Too many attempts. Try again in ${seconds === 1 ? '1 second' : `${seconds} seconds`}.`;
  return message;
}

// ---- the requests of Swagger UI -----------------------------------------------------------------

/**
 * Sends a request of Swagger UI. If the access token has expired, it is renewed and the request is sent again. Throws what
 * `fetch` throws.
 */
export async function send(url, request) {
  const sent = tokens;
  let response = await fetch(url, request);
  if (response.status === 401 && sent && carries(request, sent.token)) {
    await renew(sent);
    if (tokens && tokens !== sent) {
      request = { ...request, headers: { ...request.headers, ...authorization(tokens.token) } };
      response = await fetch(url, request);
    }
  }
  if (response.ok) await follow(url, request, response.clone());
  return response;
}

const carries = (request, token) => request.headers?.Authorization === `Bearer ${token}`;

let pendingRenewal = null;

/** Replaces expired tokens. A refresh token is for one use, so concurrent requests share one renewal. */
function renew(expired) {
  if (tokens !== expired) return Promise.resolve();
  pendingRenewal ??= post('refresh', { token: expired.refresh_token })
    .then((newTokens) => set(newTokens), (error) => {
      if (error.status === 401) set(null, 'The session has ended. Sign in again.');
      else set(expired, `Your token has expired. ${error.message}`);
    })
    .finally(() => { pendingRenewal = null; });
  return pendingRenewal;
}

/** Takes over what a successful request of the user has changed about the session. */
async function follow(url, request, response) {
  const isTo = (...paths) => paths.some((path) => url === new URL(path, document.baseURI).href);
  if (!isTo('login', 'refresh', 'me', 'logout', 'me/sessions/revoke-all')) return;
  const json = response.status === 204 ? null : await response.json();
  if (isTo('login') && !tokens) {
    isOfThisPage = false;
    set(json);
  }
  if (isTo('refresh') && tokens && carries(request, tokens.refresh_token)) set(json);
  if (!tokens || !carries(request, tokens.token)) return;
  // Shows an approval, for example.
  if (isTo('me')) set({ ...tokens, user: json });
  if (isTo('logout', 'me/sessions/revoke-all')) set(null, 'You are signed out.');
}

/**
 * Corrects a pasted token: `Bearer eyJ..`, `"eyJ.."`, with white space around or line breaks within. What no token
 * contains (RFC 6750, 2.1) is left out. (Swagger UI itself writes `Bearer` in front.)
 */
export function normalizedAuthorization(value) {
  const words = value.split(/[^\w.~+/=-]+/);
  const token = words.filter((word) => !/^(authorization|bearer)?$/i.test(word)).join('');
  return `Bearer ${token}`;
}
