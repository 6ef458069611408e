// The rule that nothing typed is lost: a form has unsaved changes if its values differ from those that it was filled
// with, and whatever would discard them asks first.

import { confirmDialog, topDialog } from './dom.js';

/** The values that each watched form was filled with, by field. */
const filledValues = new Map();

/** Watches a form from now on, and takes its values as those that it was filled with. */
export function markUnchanged(form) {
  // Read back from the fields: a text area has other line breaks than the text that was set.
  filledValues.set(form, new Map([...form.elements].filter(({ name }) => name).map((field) => [field, field.value])));
}

/** Whether a field of a watched form differs from what it was filled with. */
export const isChanged = (field) => field.value !== filledValues.get(field.form).get(field) || field.validity.badInput;

/** What the browser filled in by itself is not lost, so it needs no question. */
const isTyped = (field) => isChanged(field) && !field.matches(':autofill');

/** Whether the user sees the form, or sees it again when they return from another form of the same view or dialog. */
const isInUse = (form) => !form.closest('dialog:not([open])') && !form.parentElement.closest('[hidden]');

const changedForms = (root) => [...filledValues.keys()].filter((form) =>
  root.contains(form) && isInUse(form) && [...filledValues.get(form).keys()].some(isTyped));

/** Whether a form inside `root` has unsaved changes. */
export const hasUnsavedChanges = (root = document) => changedForms(root).length > 0;

/**
 * Asks whether the changes inside `root` may be discarded, and discards them. Resolves to false if the user wants to
 * keep editing, or while another question is open. Without changes it asks nothing.
 */
export async function mayDiscard(root = document) {
  if (!hasUnsavedChanges(root)) return true;
  if (topDialog()?.matches('.confirm')) return false;
  if (!await confirmDialog('Discard your changes?', 'Discard', 'Keep editing')) return false;
  for (const form of changedForms(root)) {
    for (const [field, value] of filledValues.get(form)) field.value = value;
  }
  return true;
}

// Reload, closing the tab, and links to other pages. The browser asks in its own words.
addEventListener('beforeunload', (event) => { if (hasUnsavedChanges()) event.preventDefault(); });

/** Reloads the page without a question, so that no data and no open request of a session remains. */
export function reload() {
  filledValues.clear();
  location.reload();
}

// ---- dialogs ------------------------------------------------------------------------------------

const guardedDialogs = new Set();

/**
 * Makes Esc, the Android back gesture and `button` ask before they close a dialog with changes. The dialog has
 * `closedby="none"`: otherwise Chromium closes it at the second Esc, whatever the page says to `cancel`. A click beside
 * the dialog does nothing: it is often an accident.
 */
export function guardDialog(dialog, button) {
  const close = async () => { if (await mayDiscard(dialog)) dialog.close(); };
  guardedDialogs.add(dialog);
  button.addEventListener('click', close);
  // From browsers without `closedby`.
  dialog.addEventListener('cancel', (event) => {
    event.preventDefault();
    close();
  });
  // The focus may be outside of the dialog, on the page that is inert.
  addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.isComposing || event.defaultPrevented || topDialog() !== dialog) return;
    event.preventDefault();
    close();
  });
}

/** Closes the guarded dialogs, whose changes were saved or discarded. */
export function closeDialogs() {
  for (const dialog of guardedDialogs) dialog.close();
}
