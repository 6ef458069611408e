// One's own account: another e-mail or password, and signing out everywhere.

import { patch, signOut } from './api.js';
import { byId, clearProblem, confirmed, onSubmit, part, showProblem } from './dom.js';
import { announce } from './notices.js';

const dialog = byId('account-dialog');
const form = dialog.querySelector('form');
const fields = form.elements;

/** `user()` is who is signed in; `changed(user)` hears of changes, `left()` that all sessions are over. */
export function onAccount({ user, changed, left }) {
  byId('open-account').addEventListener('click', () => {
    form.reset();
    clearProblem(form);
    fields.email.value = user().email;
    dialog.showModal();
  });
  onSubmit(form, async () => {
    const { json } = await patch('me', {
      current_password: fields.current_password.value,
      ...(fields.email.value !== user().email && { email: fields.email.value }),
      ...(fields.password.value && { password: fields.password.value }),
    });
    dialog.close();
    changed(json);
    announce('Your account is changed.');
  });
  part(form, 'everywhere').addEventListener('click', async () => {
    if (!await confirmed('Sign out here and on every other device?', 'Sign out everywhere')) return;
    try {
      await signOut({ everywhere: true });
      left();
    } catch (error) {
      showProblem(form, error);
    }
  });
  part(form, 'cancel').addEventListener('click', () => dialog.close());
}
