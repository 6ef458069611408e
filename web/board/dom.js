// Small helpers for the page. Text reaches it as text, never as HTML: a title such as `<img onerror=...>` is shown
// letter by letter, and the page's policy (Trusted Types) refuses anything else.

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

/**
 * Shows in a form what went wrong: the words at its top, what is wrong with a field at that field, and the focus on
 * the first of them. Without a failure it takes back what it showed before.
 */
export function showProblem(form, failure) {
  for (const field of form.querySelectorAll('[aria-invalid]')) {
    field.removeAttribute('aria-invalid');
    field.parentElement.querySelector('.field-problem')?.remove();
  }
  const problem = part(form, 'problem');
  problem.hidden = !failure;
  problem.textContent = failure?.words ?? '';
  let first;
  for (const [name, why] of Object.entries(failure?.fields ?? {})) {
    const field = form.elements[name];
    if (!field) continue;
    const words = document.createElement('span');
    words.className = 'field-problem';
    words.textContent = why;
    field.after(words);
    field.setAttribute('aria-invalid', 'true');
    first ??= field;
  }
  first?.focus();
}

/** Runs a form's act once at a time, and shows in the form why it failed. */
export function onSubmit(form, act) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (form.ariaBusy === 'true') return;
    form.ariaBusy = 'true';
    showProblem(form);
    try {
      await act();
    } catch (failure) {
      showProblem(form, failure);
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
