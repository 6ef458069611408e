// Shows the API documentation with Swagger UI, which renders the OpenAPI document and can send requests. They carry the
// token of the page's session.

import { changes, current, normalizedAuthorization, send } from './session.js';
import './sign-in.js';

// Swagger UI has a dark mode that the page switches on with a class. It follows the system setting.
const darkMode = matchMedia('(prefers-color-scheme: dark)');
const applyTheme = () => document.documentElement.classList.toggle('dark-mode', darkMode.matches);
darkMode.addEventListener('change', applyTheme);
applyTheme();

// Some controls of Swagger UI have no accessible name: screen readers cannot tell what they are for (WCAG
// 2.2, 4.1.2). The observer names them whenever Swagger UI renders new elements.
const ACCESSIBLE_NAMES = {
  '.close-modal': () => 'Close',
  '.copy-to-clipboard button': () => 'Copy',
  '.body-param__text': () => 'Request body',
  '.examples-select-element': () => 'Example',
  '#servers': () => 'Server',
  '.parameters-col_description :is(input, select, textarea)': (control) =>
    control.closest('[data-param-name]')?.dataset.paramName,
};
function addAccessibleNames() {
  for (const [selector, getName] of Object.entries(ACCESSIBLE_NAMES)) {
    for (const control of root.querySelectorAll(`:is(${selector}):not([aria-label])`)) {
      control.ariaLabel = getName(control) ?? null;
    }
  }
  // This label differs from the button's visible text, which voice control users say (WCAG 2.2, 2.5.3).
  for (const button of root.querySelectorAll('button[aria-label="Apply credentials"]')) button.ariaLabel = null;
}
const root = document.getElementById('swagger-ui');
new MutationObserver(addAccessibleNames).observe(root, { childList: true, subtree: true });

// What deletes or signs out comes last in its group, so that the operations before it still find what they need.
const ENDINGS = ['/logout', '/me/sessions/revoke-all'];
const isEnding = (operation) => operation.get('method') === 'delete' || ENDINGS.includes(operation.get('path'));

const ui = SwaggerUIBundle({
  url: 'openapi.json',
  domNode: root,
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  operationsSorter: (a, b) => isEnding(a) - isEnding(b),
  // The colours of the other themes have too little contrast with their background (WCAG 2.2, 1.4.3).
  syntaxHighlight: { theme: 'obsidian' },
  // The list of schemas is collapsed: readers come for the operations.
  defaultModelsExpandDepth: 0,
  // By default Swagger UI sends the document to validator.swagger.io. This page contacts no other host.
  validatorUrl: null,
  // With `true` the token would be kept in localStorage, where any later script could read it.
  persistAuthorization: false,
  requestInterceptor: (request) => {
    const { Authorization: value } = request.headers;
    if (value) request.headers.Authorization = normalizedAuthorization(value);
    // Swagger UI loads its document without the session.
    if (!request.loadSpec) request.userFetch = send;
    return request;
  },
  onComplete: () => {
    authorize();
    // The server may have been built without the board.
    if (ui.specSelectors.specJson().hasIn(['paths', '/'])) {
      Object.assign(document.getElementById('board-link'), { href: './', hidden: false });
    }
  },
});

/** Gives Swagger UI the tokens of the session, or takes them away. It has none before its document is loaded. */
function authorize() {
  const tokens = current();
  if (tokens) {
    ui.preauthorizeApiKey('accessToken', tokens.token);
    ui.preauthorizeApiKey('refreshToken', tokens.refresh_token);
  } else if (ui.authSelectors.authorized().size > 0) {
    ui.authActions.logout(['accessToken', 'refreshToken']);
  }
}
changes.addEventListener('change', authorize);

// Swagger UI reads the fragment of the URL once, when it starts. The introduction links to operations.
addEventListener('hashchange', () => ui.layoutActions.parseDeepLinkHash(location.hash));
