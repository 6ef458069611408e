// Device tokens: a sign-in returns one, and the next sign-in from this browser sends it. The server then counts the
// sign-ins of this device apart from those of its network, so that an attacker who guesses passwords there does
// not lock the user out.
//
// They are in localStorage, which a reload and a sign-out keep, with one entry for each e-mail address as it was typed.
// The server knows more spellings of one address: a sign-in with another one has no device token, and is counted like
// that of an unknown device. A device token does not authenticate: the sign-in still needs the password.

const keyOf = (email) => `device-token:${email.trim().toLowerCase()}`;

/** The device token of this browser for an account, or null. A browser may refuse access to its storage. */
export function deviceToken(email) {
  try {
    return localStorage.getItem(keyOf(email));
  } catch {
    return null;
  }
}

/** Keeps the device token of a sign-in. Without access to the storage, the next sign-in has none. */
export function keepDeviceToken(email, token) {
  try {
    localStorage.setItem(keyOf(email), token);
  } catch {
    // The storage is full or blocked.
  }
}
