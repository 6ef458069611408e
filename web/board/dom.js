// Small helpers for the page. Text reaches it as text, never as HTML: a title such as `<img onerror=...>` is shown
// letter by letter, and the page's policy (Trusted Types) refuses anything else.

import { failureOf } from './failure.js';

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** The part of an element that is marked `data-part="name"`. */
export const part = (root, name) => root.querySelector(`[data-part="${name}"]`);

/** A new copy of a template's element. */
export const copyOf = (template) => byId(template).content.firstElementChild.cloneNode(true);

/** Puts these options, as pairs of value and words, into a `<select>`. */
export function setOptions(select, options) {
  select.replaceChildren(...options.map(([value, words]) => new Option(words, value)));
}

/** Calls `act` once nobody has called this for a while, as for a search that is being typed. */
export function afterPause(act, milliseconds = 250) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, milliseconds);
  };
}

/** Takes back what a form says about a failure. */
export function clearProblem(form) {
  part(form, 'problem').hidden = true;
  for (const field of form.querySelectorAll('[aria-invalid]')) {
    field.removeAttribute('aria-invalid');
    field.parentElement.querySelector('.field-problem')?.remove();
  }
}

/** Says in a form what went wrong: at its top, and at each field, the first of which takes the focus. */
export function showProblem(form, error) {
  const { message, fields = {} } = failureOf(error);
  clearProblem(form);
  part(form, 'problem').textContent = message;
  part(form, 'problem').hidden = false;
  const marked = Object.entries(fields).filter(([name]) => form.elements[name]);
  for (const [name, why] of marked) {
    const words = document.createElement('span');
    words.className = 'field-problem';
    words.textContent = why;
    form.elements[name].after(words);
    form.elements[name].setAttribute('aria-invalid', 'true');
  }
  if (marked.length > 0) form.elements[marked[0][0]].focus();
}

/** Runs a form's act, one at a time, and says in the form why it failed. */
export function onSubmit(form, act) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (form.ariaBusy === 'true') return;
    form.ariaBusy = 'true';
    clearProblem(form);
    try {
      await act();
    } catch (error) {
      showProblem(form, error);
    } finally {
      form.ariaBusy = 'false';
    }
  });
}

/** Asks before something that cannot be undone; `yes` is what the button says. */
export function confirmed(question, yes) {
  const dialog = byId('confirm-dialog');
  byId('confirm-question').textContent = question;
  part(dialog, 'yes').textContent = yes;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
