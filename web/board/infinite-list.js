// An infinite list: it loads the next page (keyset pagination, `next_cursor`) when an IntersectionObserver
// sees that the list's end comes near. Single rows can be inserted, moved and removed without a reload.
//
// A page that looked at many rows ends before it is full: it may be short or empty although more items follow.
// The list then says that it is searching, and the next page loads as long as the end of the list is in view.

import { toAppError } from './app-error.js';
import { cloneTemplate, part } from './dom.js';
import { announce, showRetryButton } from './notifications.js';
import { get } from './session.js';

const PAGE_SIZE = 20;
const MAX_PAGE_SIZE = 100;
const SEARCHING_TEXT = 'Searching for more…';

export class InfiniteList {
  /** The row elements by item id. A row's `item` property is the item that it shows. */
  #rows = new Map();
  /** The cursor of the next page, or null after the last page. */
  #nextCursor = null;
  #isLoading = false;
  #error = null;
  /** Whether the last page was short although it was not the last page of the list. */
  #isSearching = false;
  /** A generation counter: a response is ignored if the counter has changed since its request was sent. */
  #generation = 0;
  #options;
  #observer;
  #element = cloneTemplate('infinite-list-template');
  #list = part(this.#element, 'rows');
  #sentinel = part(this.#element, 'sentinel');
  #text = part(this.#element, 'text');
  #retry = part(this.#element, 'retry');

  /**
   * Options:
   * - `label`: the accessible name of the list; `emptyText`: the text of an empty list
   * - `getQuery()`: returns `{ path, parameters }` of the API's list; no `parameters` if the API sends it whole
   * - `createRow()`, `updateRow(row, item)`: create a row element, and show an item in it
   * - `compare(a, b)`: the order of the API's list, for single items that are inserted
   * - `onChange(list)`: called after each change
   * - `scrollContainer`: the element that scrolls, if it is not the page
   * - `focusFallback`: the element that takes the focus when the last row is removed
   */
  constructor(options) {
    this.#options = options;
    this.#list.setAttribute('aria-label', options.label);
    this.#observer = new IntersectionObserver(
      (entries) => { if (entries.at(-1).isIntersecting) this.#loadNextPage(); },
      { root: options.scrollContainer ?? null, rootMargin: '300px' },
    );
  }

  get element() { return this.#element; }
  get size() { return this.#rows.size; }
  get hasMore() { return this.#nextCursor !== null; }
  get isSearching() { return this.#isSearching; }
  /** Why the last request failed, or null. */
  get error() { return this.#error; }

  /** The items that are shown. */
  get items() { return [...this.#rows.values()].map(({ item }) => item); }

  /** The row that shows the item with this id. */
  row(id) { return this.#rows.get(id); }

  /** Loads the first page for the current query. Until it is there the old rows stay, dimmed. */
  async reload() {
    this.discardPendingLoad();
    this.#isSearching = false;
    this.#element.classList.add('stale');
    this.#text.textContent = 'Loading…';
    await this.#load(() => this.#fetchPage(PAGE_SIZE), (items) => this.#replaceRows(items));
  }

  /** Loads as many items as the list shows now, in the state that the server has. */
  async refresh() {
    (await this.prepareRefresh())?.();
  }

  /**
   * The first half of `refresh`: resolves to a function that shows the result, so that several lists can change at the
   * same moment. Resolves to null if the list has changed meanwhile.
   */
  prepareRefresh() {
    this.discardPendingLoad();
    const count = Math.max(this.size, PAGE_SIZE);
    return this.#prepare(async () => {
      const page = await this.#fetchPage(Math.min(count, MAX_PAGE_SIZE));
      while (page.items.length < count && page.next_cursor) {
        const { items, next_cursor: cursor } = await this.#fetchPage(MAX_PAGE_SIZE, page.next_cursor);
        page.items.push(...items);
        page.next_cursor = cursor;
      }
      return page;
    }, (items) => this.#replaceRows(items));
  }

  /** Makes the list ignore the response to a request that is under way. Returns whether there is one. */
  discardPendingLoad() {
    const wasLoading = this.#isLoading;
    this.#generation += 1;
    this.#isLoading = false;
    return wasLoading;
  }

  /** Inserts an item at its place in the order, or updates and moves its row. Returns the row. */
  upsert(item) {
    const row = this.#showItem(item);
    const comesAfter = (other) => other !== row && this.#options.compare(other.item, item) > 0;
    this.#insertBefore(row, [...this.#list.children].find(comesAfter) ?? null);
    this.#changed();
    return row;
  }

  /** Removes an item. Its focus goes to the next row, or to the previous one, or to `focusFallback`. */
  remove(id) {
    const row = this.#rows.get(id);
    if (!row) return;
    const neighbour = row.nextElementSibling ?? row.previousElementSibling;
    const nextFocus = neighbour?.querySelector('button:not([hidden])') ?? this.#options.focusFallback;
    const hadFocus = row.contains(document.activeElement);
    row.remove();
    this.#rows.delete(id);
    if (hadFocus) nextFocus.focus();
    this.#changed();
  }

  async #loadNextPage() {
    if (this.#isLoading || !this.#nextCursor) return;
    this.#text.textContent = this.#isSearching ? SEARCHING_TEXT : 'Loading…';
    await this.#load(
      () => this.#fetchPage(PAGE_SIZE, this.#nextCursor),
      (items) => items.forEach((item) => this.upsert(item)),
    );
  }

  async #load(fetchItems, showItems) {
    (await this.#prepare(fetchItems, showItems))?.();
  }

  /** Resolves to a function that shows the items or the error; to null if the list has changed meanwhile. */
  async #prepare(fetchItems, showItems) {
    const generation = this.#generation;
    this.#isLoading = true;
    this.#retry.hidden = true;
    this.#element.ariaBusy = 'true';
    let showResult;
    try {
      const { items, next_cursor: cursor } = await fetchItems();
      showResult = () => this.#loaded(items, cursor, showItems);
    } catch (error) {
      showResult = () => this.#failed(toAppError(error), () => this.#load(fetchItems, showItems));
    }
    if (generation !== this.#generation) return null;
    return () => {
      this.#isLoading = false;
      this.#element.ariaBusy = 'false';
      showResult();
    };
  }

  #loaded(items, cursor, showItems) {
    this.#error = null;
    const wasSearching = this.#isSearching;
    this.#nextCursor = cursor;
    this.#isSearching = this.hasMore && items.length < PAGE_SIZE;
    showItems(items);
    this.#element.classList.remove('stale');
    this.#changed();
    if (wasSearching !== this.#isSearching) {
      announce(`${this.#options.label}: ${countText(this)}, ${this.#isSearching ? 'still searching' : 'search finished'}`);
    }
    // An observer reports changes only. Observing anew reports a sentinel that is still in view, so that
    // the next page loads.
    this.#observer.disconnect();
    this.#observer.observe(this.#sentinel);
  }

  #failed(error, retry) {
    this.#error = error;
    this.#text.textContent = error.message;
    announce(`${this.#options.label}: ${error.message}`);
    showRetryButton(this.#retry, error, retry);
  }

  async #fetchPage(limit, cursor) {
    const { path, parameters } = this.#options.getQuery();
    if (!parameters) return { items: (await get(path)).json.items, next_cursor: null };
    const query = new URLSearchParams({ ...parameters, limit });
    if (cursor) query.set('cursor', cursor);
    const { json } = await get(`${path}?${query}`);
    return json;
  }

  /** Shows exactly these items, in the server's order. Existing rows are reused and keep the focus. */
  #replaceRows(items) {
    const ids = new Set(items.map(({ id }) => id));
    for (const id of [...this.#rows.keys()]) {
      if (!ids.has(id)) this.remove(id);
    }
    let nextRow = this.#list.firstElementChild;
    for (const item of items) {
      const row = this.#showItem(item);
      if (row === nextRow) nextRow = nextRow.nextElementSibling;
      else this.#insertBefore(row, nextRow);
    }
  }

  #showItem(item) {
    const row = this.#rows.get(item.id) ?? this.#options.createRow();
    this.#options.updateRow(row, item);
    row.item = item;
    this.#rows.set(item.id, row);
    return row;
  }

  /** Inserts or moves a row. An element that moves in the document loses the focus, so it is given back. */
  #insertBefore(row, nextRow) {
    if (row.isConnected && row.nextElementSibling === nextRow) return;
    const focused = row.contains(document.activeElement) ? document.activeElement : null;
    this.#list.insertBefore(row, nextRow);
    focused?.focus();
  }

  #changed() {
    if (!this.#isLoading && this.#retry.hidden) {
      this.#text.textContent = this.#footerText();
    }
    this.#options.onChange?.(this);
  }

  #footerText() {
    if (this.#isSearching) return SEARCHING_TEXT;
    return this.size === 0 && !this.hasMore ? this.#options.emptyText : '';
  }
}

/** The number of items: those that are shown, with a plus sign if there are or may be more. */
export const countText = ({ size, hasMore }) => (hasMore ? `${size}+` : `${size}`);
