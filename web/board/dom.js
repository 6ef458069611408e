// DOM helpers: lookup, templates, forms and the confirm dialog. Text is set as `textContent`, never as
// HTML, so a title such as `<img onerror=...>` is shown as it was typed. The page's policy enforces this
// (Trusted Types).

import { toAppError } from './app-error.js';

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** The element inside `root` that is marked `data-part="name"`. */
export const part = (root, name) => root.querySelector(`[data-part="${name}"]`);

/** Returns a new copy of the element in a `<template>`. */
export const cloneTemplate = (id) => byId(id).content.firstElementChild.cloneNode(true);

/** Replaces the options of a `<select>`; `options` are pairs of value and label. */
export function setOptions(select, options) {
  select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
}

/** Debounces `action`: it runs once the returned function has not been called for `milliseconds`. */
export function debounce(action, milliseconds = 250) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  };
}

/** Hides the error of a form and those of its fields. */
export function clearFormError(form) {
  part(form, 'form-error').hidden = true;
  for (const field of form.querySelectorAll('[aria-invalid]')) {
    field.removeAttribute('aria-invalid');
    field.parentElement.querySelector('.field-error')?.remove();
  }
}

/** Shows an error at the top of a form and at each field that it names. Focuses the first such field. */
export function showFormError(form, error) {
  const { message, fields = {} } = toAppError(error);
  clearFormError(form);
  part(form, 'form-error').textContent = message;
  part(form, 'form-error').hidden = false;
  const invalid = Object.entries(fields).filter(([name]) => form.elements[name]);
  for (const [name, text] of invalid) {
    const label = document.createElement('span');
    label.className = 'field-error';
    label.textContent = text;
    form.elements[name].after(label);
    form.elements[name].setAttribute('aria-invalid', 'true');
  }
  if (invalid.length > 0) form.elements[invalid[0][0]].focus();
}

/** Runs `action` on submit and shows its error in the form. While it runs, further submits are ignored. */
export function onSubmit(form, action) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (form.ariaBusy === 'true') return;
    form.ariaBusy = 'true';
    clearFormError(form);
    try {
      await action();
    } catch (error) {
      showFormError(form, error);
    } finally {
      form.ariaBusy = 'false';
    }
  });
}

/** Asks before an action that cannot be undone. Resolves to whether the user pressed `confirmLabel`. */
export function confirmDialog(question, confirmLabel) {
  const dialog = byId('confirm-dialog');
  byId('confirm-question').textContent = question;
  part(dialog, 'confirm').textContent = confirmLabel;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'confirm'), { once: true });
  });
}
