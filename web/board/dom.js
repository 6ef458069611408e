// DOM helpers: lookup, templates, errors of forms and the confirm dialog. Text is set as `textContent`, never as
// HTML, so a title such as `<img onerror=...>` is shown as it was typed. The page's policy enforces this
// (Trusted Types).

import { toAppError } from './app-error.js';

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** The element inside `root` that is marked `data-part="name"`. */
export const part = (root, name) => root.querySelector(`[data-part="${name}"]`);

/** Returns a new copy of the element in a `<template>`. */
export const cloneTemplate = (id) => byId(id).content.firstElementChild.cloneNode(true);

/** Sets the text of an element if it is another one: setting it anew would end a selection in it. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

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

/** Opens a dialog above all others, and moves it to the end of the document: `topDialog` relies on the order. */
export function openDialog(dialog) {
  document.body.append(dialog);
  dialog.showModal();
}

/** The dialog that is above all others: the last one in the document. */
export const topDialog = () => [...document.querySelectorAll('dialog[open]')].at(-1);

/**
 * Asks before an action that cannot be undone. Resolves to whether the user pressed `confirmLabel`. Each question has a
 * dialog of its own, so one can be asked over another.
 */
export function confirmDialog(question, confirmLabel, cancelLabel = 'Cancel') {
  const dialog = cloneTemplate('confirm-template');
  dialog.setAttribute('aria-label', question);
  part(dialog, 'question').textContent = question;
  part(dialog, 'confirm').textContent = confirmLabel;
  part(dialog, 'cancel').textContent = cancelLabel;
  openDialog(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'confirm');
    }, { once: true });
  });
}

// ---- direction of text --------------------------------------------------------------------------

// Text of users inside a sentence of the page. Elements lay it out by its own direction with `dir="auto"`; a sentence in
// one string, such as an accessible name or a notification, needs control characters instead.

const [FIRST_STRONG_ISOLATE, POP_ISOLATE] = ['\u2068', '\u2069'];

/** Characters that are written from right to left, or that change the direction. */
const DIRECTIONAL = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff]|[\ud802-\ud803\ud83a-\ud83b]/;

/** Embeddings, overrides and isolates, which could reach beyond the text if it does not end them. */
const EXPLICIT = /[\u202a-\u202e\u2066-\u2069]/g;

/** The text so that its direction does not change the order of the sentence around it (Unicode Annex 9, 2.4). */
export const isolate = (text) =>
  (DIRECTIONAL.test(text) ? FIRST_STRONG_ISOLATE + text.replace(EXPLICIT, '') + POP_ISOLATE : text);
