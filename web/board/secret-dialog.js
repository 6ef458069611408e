// The dialog for a secret that the server tells only once, a one-time link or a token for scripts: shows and copies it.

import { byId, openDialog, part } from './dom.js';
import { announce } from './notifications.js';

const dialog = byId('secret-dialog');
const field = byId('secret');

/** Shows a secret with a title and the text that says what it is for. */
export function showSecret(title, text, secret) {
  byId('secret-title').textContent = title;
  byId('secret-text').textContent = text;
  byId('secret-copied').textContent = '';
  field.value = secret;
  openDialog(dialog);
}

dialog.addEventListener('close', () => { field.value = ''; });

/** Copies the secret. Without access to the clipboard (a page without TLS has none) it is selected instead. */
async function copy() {
  field.focus();
  field.select();
  let text = 'Copied.';
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    text = 'This browser does not let the page copy it. It is selected: copy it with Ctrl+C or ⌘C.';
  }
  byId('secret-copied').textContent = text;
  announce(text);
}

part(dialog, 'copy').addEventListener('click', copy);
