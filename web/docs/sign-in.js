// The form with which a user signs in, and the account that is signed in.

import { changes, current, signIn, signOut } from './session.js';

const byId = (id) => document.getElementById(id);
const form = byId('sign-in-form');

/** Runs an action of the form. While it runs, the page ignores further ones. */
async function run(action, focusTarget) {
  if (form.ariaBusy === 'true') return;
  form.ariaBusy = 'true';
  byId('session-message').textContent = '';
  try {
    await action();
  } catch (error) {
    byId('session-message').textContent = error.message;
  } finally {
    form.ariaBusy = 'false';
  }
  focusTarget().focus();
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const { email, password } = form.elements;
  run(async () => {
    await signIn(email.value, password.value);
    password.value = '';
  }, () => (current() ? byId('account') : password));
});

byId('sign-out').addEventListener('click', () => run(signOut, () => form.elements.email));

changes.addEventListener('change', ({ detail }) => {
  const user = current()?.user;
  form.hidden = Boolean(user);
  byId('signed-in').hidden = !user;
  byId('session-title').textContent = user ? 'Signed in' : 'Sign in';
  byId('account').textContent = user ? describe(user) : '';
  byId('session-message').textContent = detail ?? '';
});

function describe({ username, role, is_approved: isApproved }) {
  const account = `You are signed in as ${username}, with the role ${role}.`;
  return isApproved
    ? `${account} The account is approved.`
    : `${account} The account waits for an admin's approval and cannot see tasks yet. GET /me shows when it is approved.`;
}
