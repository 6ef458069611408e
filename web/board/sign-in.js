// The forms for users who are not signed in: sign in, sign up (with or without an invitation), and set a new password
// with a reset link. A sign-up is sent with an idempotency key, so that a retry is safe.

import { newIdempotencyKey, post, signIn } from './api.js';
import { byId, clearFormError, onSubmit } from './dom.js';

const [signInForm, signUpForm, resetForm] = [byId('sign-in-form'), byId('sign-up-form'), byId('reset-form')];

/** The tokens of the one-time link that was opened. They are kept in these variables only. */
let [invitation, resetToken] = [null, null];

/**
 * `onSignIn(user)` is called after each sign-in: a sign-up signs the new account in. `onReset()` is called after a new
 * password was set, and `onDeadLink()` if the server no longer knows the one-time link.
 */
export function initSignIn({ onSignIn, onReset, onDeadLink }) {
  /** Runs `action`, which uses a one-time link. */
  const useLink = async (action) => {
    try {
      await action();
    } catch (error) {
      if (error.code !== 'link_used_or_expired') throw error;
      onDeadLink();
    }
  };
  onSubmit(signInForm, async () => {
    const { email, password } = signInForm.elements;
    onSignIn(await signIn(email.value, password.value));
  });
  onSubmit(signUpForm, () => useLink(async () => {
    const [username, email, password] = ['username', 'email', 'password'].map((name) => signUpForm.elements[name].value);
    const account = { username, email, password, ...(invitation && { invitation }) };
    await post('signup', account, idempotencyKeyFor(account));
    onSignIn(await signIn(email, password));
  }));
  onSubmit(resetForm, () => useLink(async () => {
    await post('password-reset', { token: resetToken, password: resetForm.elements.password.value });
    onReset();
  }));
}

let lastSignUp = {};

/** Returns the same key for the same data, so that a retry after a lost response creates no second account. */
function idempotencyKeyFor(account) {
  const body = JSON.stringify(account);
  if (lastSignUp.body !== body) lastSignUp = { body, key: newIdempotencyKey() };
  return lastSignUp.key;
}

function showForm(form, title, message = '') {
  for (const other of [signInForm, signUpForm, resetForm]) other.hidden = other !== form;
  byId('sign-in-title').textContent = title;
  byId('sign-in-message').textContent = message;
  clearFormError(form);
}

/** Shows the form that a one-time link opens. */
export function showFormOfLink({ kind, token }) {
  invitation = kind === 'invitation' ? token : null;
  resetToken = kind === 'reset' ? token : null;
  if (invitation) {
    showForm(signUpForm, 'You are invited', 'Create your account with this invitation.');
  } else {
    showForm(resetForm, 'Set a new password');
  }
}

function showFormAndFocus(form, title) {
  invitation = null;
  showForm(form, title);
  form.elements[0].focus();
}

byId('show-sign-up').addEventListener('click', () => showFormAndFocus(signUpForm, 'Create an account'));
byId('show-sign-in').addEventListener('click', () => showFormAndFocus(signInForm, 'Sign in'));
