// The dialog for the current user's own account: a new e-mail or password, the sessions and the tokens for scripts.

import { initApiTokens } from './api-tokens.js';
import { byId, clearFormError, openDialog, part } from './dom.js';
import { isUnanswered } from './http.js';
import { announce } from './notifications.js';
import { initOwnSessions } from './own-sessions.js';
import { patch } from './session.js';
import { onSubmit } from './submit.js';
import { guardDialog, isChanged, markUnchanged, mayDiscard } from './unsaved-changes.js';

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
    fillForm(getUser());
    loadSessions();
    loadTokens();
    openDialog(dialog);
  });
  onSubmit(form, async () => {
    const user = await saveProfile();
    onChange(user);
    fillForm(user);
    announce('Your account is updated.');
    // A new token may be half typed.
    if (await mayDiscard(dialog)) dialog.close();
  });
  guardDialog(dialog, part(dialog, 'close'));
}

function fillForm({ email }) {
  form.reset();
  clearFormError(form);
  fields.email.value = email;
  markUnchanged(form);
  isUnconfirmed = false;
}

/** Whether a new password was sent and got no answer: it may be the current one already. */
let isUnconfirmed = false;

async function saveProfile() {
  const changes = {
    ...(isChanged(fields.email) && { email: fields.email.value }),
    ...(fields.password.value && { password: fields.password.value }),
  };
  const save = async (currentPassword) => (await patch('me', { current_password: currentPassword, ...changes })).json;
  try {
    return await save(fields.current_password.value);
  } catch (error) {
    if (error.code === 'wrong_password' && isUnconfirmed) return save(changes.password);
    isUnconfirmed = isUnanswered(error) && Boolean(changes.password);
    throw error;
  }
}
