// A list of short entries that can be ended one by one: sessions, tokens for scripts, open invitations.

import { cloneTemplate, confirmDialog, isolate, part } from './dom.js';
import { InfiniteList } from './infinite-list.js';
import { announce } from './notifications.js';
import { remove } from './session.js';

/**
 * Creates a list inside the element `container`, whose heading is `title`. Options:
 * - `path`: of the API's list; DELETE of `path/id` ends an entry
 * - `emptyText`: the text of an empty list
 * - `describe(item)`: returns the texts of an entry: its `name`, an optional `badge`, `details` and a `tooltip` for
 *   them, `end`, the label of its button (without it the entry has none), `question`, which is asked before it is
 *   ended, and `ended`, which is announced afterwards
 * - `onError(error)`: called if an entry could not be ended
 */
export function createEntryList(container, title, { path, emptyText, describe, onError }) {
  const list = new InfiniteList({
    label: title.textContent,
    focusFallback: title,
    getQuery: () => ({ path }),
    createRow: () => createRow((item) => end(item)),
    updateRow: (row, item) => updateRow(row, describe(item)),
    compare: () => 0,
    emptyText,
  });
  container.append(list.element);

  async function end(item) {
    const texts = describe(item);
    if (texts.question && !await confirmDialog(texts.question, texts.end)) return;
    try {
      await remove(`${path}/${item.id}`);
      announce(texts.ended);
    } catch (error) {
      onError(error);
      // Another page has ended it, or it has expired.
      if (error.code !== 'not_found') return;
    }
    list.remove(item.id);
  }
  return list;
}

function createRow(onEnd) {
  const row = cloneTemplate('entry-template');
  part(row, 'end').addEventListener('click', () => onEnd(row.item));
  return row;
}

function updateRow(row, { name, badge, details, tooltip, end }) {
  part(row, 'name').textContent = name;
  part(row, 'badge').textContent = badge ?? '';
  part(row, 'badge').hidden = !badge;
  part(row, 'details').textContent = details;
  part(row, 'details').title = tooltip ?? '';
  part(row, 'end').hidden = !end;
  part(row, 'end').textContent = end ?? '';
  part(row, 'end').setAttribute('aria-label', `${end}: ${isolate(name)}, ${details}`);
}
