// The sign-in and sign-up forms. A sign-up is sent with an idempotency key, so that a retry is safe.

import { newIdempotencyKey, post, signIn } from './api.js';
import { byId, clearFormError, onSubmit } from './dom.js';

const [signInForm, signUpForm] = [byId('sign-in-form'), byId('sign-up-form')];

/** Calls `callback` with the user after each sign-in. A sign-up signs the new account in. */
export function onSignIn(callback) {
  onSubmit(signInForm, async () => {
    const { email, password } = signInForm.elements;
    callback(await signIn(email.value, password.value));
  });
  onSubmit(signUpForm, async () => {
    const [username, email, password] = ['username', 'email', 'password'].map((name) => signUpForm.elements[name].value);
    const account = { username, email, password };
    await post('signup', account, idempotencyKeyFor(account));
    callback(await signIn(email, password));
  });
}

let lastSignUp = {};

/** Returns the same key for the same data, so that a retry after a lost response creates no second account. */
function idempotencyKeyFor(account) {
  const body = JSON.stringify(account);
  if (lastSignUp.body !== body) lastSignUp = { body, key: newIdempotencyKey() };
  return lastSignUp.key;
}

function showForm(form, title) {
  signInForm.hidden = form !== signInForm;
  signUpForm.hidden = form !== signUpForm;
  byId('sign-in-title').textContent = title;
  byId('sign-in-message').textContent = '';
  clearFormError(form);
  form.elements[0].focus();
}

byId('show-sign-up').addEventListener('click', () => showForm(signUpForm, 'Create an account'));
byId('show-sign-in').addEventListener('click', () => showForm(signInForm, 'Sign in'));
