// Submitting a form. It runs once at a time, and its error is shown in the form. Without an answer of the server it
// waits for the connection, and is sent again.

import { AppError, toAppError } from './app-error.js';
import { clearFormError, cloneTemplate, part, showFormError } from './dom.js';
import { connection, isUnanswered } from './http.js';
import { hasUnsavedChanges } from './unsaved-changes.js';

/** The last submission of each form, as the controller that ends it. */
const submissions = new WeakMap();

/** Runs `action` when the form is submitted; see `submit`. */
export function onSubmit(form, action) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit(form, action);
  });
  // What is entered while a request is open would not be part of it.
  form.addEventListener('beforeinput', (event) => { if (form.ariaBusy === 'true') event.preventDefault(); });
}

/**
 * Runs `action` for a form; other submissions are ignored meanwhile. If the server does not answer, `action` runs again
 * once it can be reached, so it must be safe to repeat. The submission ends when the dialog of the form is closed.
 */
export async function submit(form, action) {
  if (form.ariaBusy === 'true') return;
  submissions.get(form)?.abort();
  const submission = new AbortController();
  const { signal } = submission;
  submissions.set(form, submission);
  signal.addEventListener('abort', () => { form.ariaBusy = 'false'; });
  form.closest('dialog')?.addEventListener('close', () => submission.abort(), { signal });
  const sent = new Map([...form.elements].map((field) => [field, field.value]));
  // `beforeinput` cannot prevent a choice, a date or a time: the value that was sent is put back.
  form.addEventListener('input', ({ target }) => {
    if (form.ariaBusy === 'true') target.value = sent.get(target);
  }, { signal });
  while (!signal.aborted) {
    clearFormError(form);
    form.ariaBusy = 'true';
    const error = await action().then(() => null, (thrown) => thrown);
    if (signal.aborted) return;
    if (error && isUnanswered(error)) {
      form.ariaBusy = 'false';
      await untilReachable(form, error, submission);
    } else {
      if (error) showFormError(form, withHint(form, error));
      submission.abort();
    }
  }
}

/** Waits until the server can be reached. The submission ends if the user declines or goes on editing. */
function untilReachable(form, error, submission) {
  const note = cloneTemplate('waiting-template');
  part(note, 'text').textContent = `${error.message} What you typed is kept, and is sent as soon as the server answers.`;
  part(form, 'form-error').after(note);
  return new Promise((resolve) => {
    const waiting = new AbortController();
    const { signal } = waiting;
    const end = () => {
      waiting.abort();
      note.remove();
      resolve();
    };
    const decline = () => {
      submission.abort();
      showFormError(form, error);
    };
    connection.addEventListener('reachable', end, { signal });
    submission.signal.addEventListener('abort', end, { signal });
    form.addEventListener('input', decline, { signal });
    part(note, 'decline').addEventListener('click', () => {
      decline();
      form.querySelector('[type=submit]').focus();
    });
  });
}

/** The error codes after which saving again does not help. */
const REFUSALS = ['awaiting_approval', 'insufficient_role', 'status_only', 'not_found'];

function withHint(form, error) {
  const appError = toAppError(error);
  if (!REFUSALS.includes(appError.code) || !hasUnsavedChanges(form)) return appError;
  return new AppError(`${appError.message.replace(/\.?$/, '.')} Nothing was saved. What you typed is still here, so that you can copy it.`, appError);
}
