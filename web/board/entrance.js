// Signing up and signing in.

import { newKey, post, signIn } from './api.js';
import { byId, clearProblem, onSubmit } from './dom.js';

const [signInForm, signUpForm] = [byId('sign-in'), byId('sign-up')];

/** `entered(user)` hears of whoever signs in. */
export function onEntry(entered) {
  onSubmit(signInForm, async () => {
    const { email, password } = signInForm.elements;
    entered(await signIn(email.value, password.value));
  });
  onSubmit(signUpForm, async () => {
    const [username, email, password] = ['username', 'email', 'password'].map((name) => signUpForm.elements[name].value);
    const account = { username, email, password };
    await post('signup', account, keyFor(account));
    entered(await signIn(email, password));
  });
}

let last = {};

/** The same sign-up sent again has the same key, and makes one account. */
function keyFor(account) {
  const body = JSON.stringify(account);
  if (last.body !== body) last = { body, key: newKey() };
  return last.key;
}

function show(form, title) {
  signInForm.hidden = form !== signInForm;
  signUpForm.hidden = form !== signUpForm;
  byId('entrance-title').textContent = title;
  byId('entrance-word').textContent = '';
  clearProblem(form);
  form.elements[0].focus();
}

byId('to-sign-up').addEventListener('click', () => show(signUpForm, 'Make an account'));
byId('to-sign-in').addEventListener('click', () => show(signInForm, 'Sign in'));
