// Shows the API's description, with a button to try each request.

// Swagger UI has a dark mode, and leaves to the page when.
const dark = matchMedia('(prefers-color-scheme: dark)');
const followTheme = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', followTheme);
followTheme();

// Some of its controls have no name that a screen reader could say.
const NAMES = {
  '.close-modal': () => 'Close',
  '.copy-to-clipboard button': () => 'Copy',
  '.body-param__text': () => 'Request body',
  '.examples-select-element': () => 'Example',
  '#servers': () => 'Server',
  '.parameters-col_description :is(input, select, textarea)': (control) =>
    control.closest('[data-param-name]')?.dataset.paramName,
};
function nameControls() {
  for (const [selector, name] of Object.entries(NAMES)) {
    for (const control of root.querySelectorAll(`:is(${selector}):not([aria-label])`)) {
      control.ariaLabel = name(control) ?? null;
    }
  }
  // The name says something else than what is to be read on it.
  for (const button of root.querySelectorAll('button[aria-label="Apply credentials"]')) button.ariaLabel = null;
}
const root = document.getElementById('swagger-ui');
new MutationObserver(nameControls).observe(root, { childList: true, subtree: true });

SwaggerUIBundle({
  url: 'openapi.json',
  domNode: root,
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  // The colours of the others are too pale on their ground (WCAG 2.2, 1.4.3).
  syntaxHighlight: { theme: 'obsidian' },
  // The schemas are there, but closed: one comes for the operations.
  defaultModelsExpandDepth: 0,
  // No other host is asked whether the description is valid.
  validatorUrl: null,
  // A token is forgotten with the page: it is not kept where a later script could read it.
  persistAuthorization: false,
});
