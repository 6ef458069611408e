// The forms for users who are not signed in: sign in, sign up (with or without an invitation), and set a new password
// with a reset link. A sign-up is sent with an idempotency key, so that a retry is safe. And the dialog that asks a user
// whose session has ended to sign in again.

import { AppError } from './app-error.js';
import { byId, clearFormError, isolate, openDialog, part } from './dom.js';
import { isUnanswered } from './http.js';
import { idempotencyKeys, post, session, signIn, takeOverSession } from './session.js';
import { onSubmit } from './submit.js';
import { markUnchanged, mayDiscard } from './unsaved-changes.js';

const [signInForm, signUpForm, resetForm] = [byId('sign-in-form'), byId('sign-up-form'), byId('reset-form')];

const keyOfSignUp = idempotencyKeys();

/** The tokens of the one-time link that was opened. They are kept in these variables only. */
let [invitation, resetToken] = [null, null];

/**
 * `onSignIn(user)` is called after each sign-in: a sign-up signs the new account in. `onReset(message)` is called after a
 * new password was set, and `onDeadLink()` if the server no longer knows the one-time link.
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
    await post('signup', account, keyOfSignUp(account));
    onSignIn(await signIn(email, password));
  }));
  onSubmit(resetForm, () => useLink(async () => {
    await resetPassword({ token: resetToken, password: resetForm.elements.password.value });
    onReset('Your new password is set. Sign in with it.');
  }));
}

/** Whether a request that sets the new password got no answer: it may have used the link. */
let isResetUnanswered = false;

async function resetPassword(body) {
  try {
    await post('password-reset', body);
  } catch (error) {
    isResetUnanswered ||= isUnanswered(error);
    if (error.code !== 'link_used_or_expired' || !isResetUnanswered) throw error;
    throw new AppError('The connection was lost, and the link is used now. Reload the page and sign in with your new '
      + 'password. If that fails, ask an administrator for a new link.');
  }
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

markUnchanged(signUpForm);
markUnchanged(resetForm);
byId('show-sign-up').addEventListener('click', () => showFormAndFocus(signUpForm, 'Create an account'));
byId('show-sign-in').addEventListener('click', () => showFormAndFocus(signInForm, 'Sign in'));

// ---- signing in again ---------------------------------------------------------------------------

// The dialog opens over what the user has open. The account stays the same: with another one, the page is left.

const dialog = byId('sign-in-again-dialog');
const againForm = dialog.querySelector('form');
const { email: againEmail, password: againPassword } = againForm.elements;

/** The user who is asked, and what happens when they are signed in. */
let [user, done] = [null, null];
/** Leaves the page. */
let leave;

/** `onLeave()` is called to leave the page for another account; nothing of this one may remain then. */
export function initSignInAgain({ onLeave }) {
  leave = onLeave;
}

/** Asks to sign in again. Resolves when this user is signed in. */
export function askToSignInAgain(signedInUser, reason) {
  user = signedInUser;
  part(dialog, 'reason').textContent = reason;
  clearFormError(againForm);
  againEmail.value = user.email;
  againPassword.value = '';
  openDialog(dialog);
  againPassword.focus();
  return new Promise((resolve) => { done = resolve; });
}

function close() {
  againPassword.value = '';
  dialog.close();
  done();
}

onSubmit(againForm, async () => {
  const { id } = await signIn(againEmail.value, againPassword.value);
  if (id === user.id) close();
  else if (await mayDiscard()) leave();
  else throw new AppError(`That is another account. Sign in as ${isolate(user.username)} to keep what you have open.`);
});

// Another tab has signed in: all tabs share the session.
session.addEventListener('signed-in-elsewhere', async () => {
  if (dialog.open && await takeOverSession().catch(() => false)) close();
});

part(dialog, 'leave').addEventListener('click', async () => { if (await mayDiscard()) leave(); });

// It cannot be closed without an answer.
dialog.addEventListener('cancel', (event) => event.preventDefault());
