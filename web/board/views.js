// The views of the page, of which one is shown at a time.

import { byId } from './dom.js';

/** The views, each with the heading that takes the focus when the view opens. */
const VIEWS = {
  'sign-in-view': 'sign-in-title',
  'dead-link-view': 'dead-link-title',
  'signed-in-view': 'signed-in-title',
  'approval-view': 'approval-title',
  'tasks-view': 'tasks-title',
  'people-view': 'people-title',
};

export function showView(view) {
  for (const id of Object.keys(VIEWS)) byId(id).hidden = id !== view;
  document.title = `${byId(VIEWS[view]).textContent} · Task board`;
  byId(VIEWS[view]).focus();
}
