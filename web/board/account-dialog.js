// The dialog for the current user's own account: a new e-mail or password, and signing out everywhere.

import { patch, signOut } from './api.js';
import { byId, clearFormError, confirmDialog, onSubmit, part, showFormError } from './dom.js';
import { announce } from './notifications.js';

const dialog = byId('account-dialog');
const form = dialog.querySelector('form');
const fields = form.elements;

/**
 * `getUser()` returns the current user. `onChange(user)` is called with the changed account, `onSignOut()`
 * after all sessions of the account have ended.
 */
export function initAccountDialog({ getUser, onChange, onSignOut }) {
  byId('open-account').addEventListener('click', () => {
    form.reset();
    clearFormError(form);
    fields.email.value = getUser().email;
    dialog.showModal();
  });
  onSubmit(form, async () => {
    const { json } = await patch('me', {
      current_password: fields.current_password.value,
      ...(fields.email.value !== getUser().email && { email: fields.email.value }),
      ...(fields.password.value && { password: fields.password.value }),
    });
    dialog.close();
    onChange(json);
    announce('Your account is updated.');
  });
  part(form, 'sign-out-everywhere').addEventListener('click', async () => {
    if (!await confirmDialog('Sign out here and on every other device?', 'Sign out everywhere')) return;
    try {
      await signOut({ everywhere: true });
      onSignOut();
    } catch (error) {
      showFormError(form, error);
    }
  });
  part(form, 'cancel').addEventListener('click', () => dialog.close());
}
