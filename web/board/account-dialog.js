// The dialog for the current user's own account: a new e-mail or password, the sessions and the tokens for scripts.

import { initApiTokens } from './api-tokens.js';
import { patch } from './api.js';
import { byId, clearFormError, onSubmit, part } from './dom.js';
import { announce } from './notifications.js';
import { initOwnSessions } from './own-sessions.js';

const dialog = byId('account-dialog');
const form = byId('profile-form');
const fields = form.elements;

/**
 * `getUser()` returns the current user. `onChange(user)` is called with the changed account, `onSignOut()`
 * after all sessions of the account have ended.
 */
export function initAccountDialog({ getUser, onChange, onSignOut }) {
  const loadSessions = initOwnSessions({ onSignOut });
  const loadTokens = initApiTokens();
  byId('open-account').addEventListener('click', () => {
    form.reset();
    clearFormError(form);
    fields.email.value = getUser().email;
    loadSessions();
    loadTokens();
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
  part(dialog, 'close').addEventListener('click', () => dialog.close());
}
