// A list that grows as one scrolls, page by page of the API, and that can be put right row by row.

import { get } from './api.js';
import { copyOf, part } from './dom.js';
import { failureOf } from './failure.js';
import { announce, offerRetry } from './notices.js';

const PAGE = 20;
const LARGEST_PAGE = 100;

export class PagedList {
  /** The rows by their items' ids; a row's `item` is what it shows. */
  #rows = new Map();
  /** Where the next page begins, if there is one. */
  #next = null;
  #isLoading = false;
  /** Raised whenever an answer that is under way is not to be shown any more. */
  #edition = 0;
  #options;
  #observer;
  #element = copyOf('paged-list');
  #list = part(this.#element, 'rows');
  #end = part(this.#element, 'end');
  #word = part(this.#element, 'word');
  #retry = part(this.#element, 'retry');

  /**
   * `query()` gives the list's path and parameters; `make()` and `fill(row, item)` make a row and show an item in it;
   * `compare(a, b)` is the list's order; `label` names the list, `empty` is said where there is nothing;
   * `changed(list)` hears of every change; `scroller` is the element that scrolls, if it is not the page; `title`
   * takes the focus where it is lost with the last row.
   */
  constructor(options) {
    this.#options = options;
    this.#list.setAttribute('aria-label', options.label);
    this.#observer = new IntersectionObserver(
      (entries) => { if (entries.at(-1).isIntersecting) this.#more(); },
      { root: options.scroller ?? null, rootMargin: '300px' },
    );
  }

  get element() { return this.#element; }
  get size() { return this.#rows.size; }
  get hasMore() { return this.#next !== null; }

  /** The row that shows this item. */
  row(id) { return this.#rows.get(id); }

  /** Begins anew with what the parameters are now. */
  async begin() {
    this.outdate();
    this.#element.classList.add('stale');
    this.#word.textContent = 'Loading…';
    await this.#load(() => this.#page(PAGE), (items) => this.#become(items));
  }

  /** Shows as many rows as there are, as they are by now. */
  async refresh() {
    this.outdate();
    const count = Math.max(this.size, PAGE);
    await this.#load(async () => {
      const page = await this.#page(Math.min(count, LARGEST_PAGE));
      while (page.items.length < count && page.next_cursor) {
        const { items, next_cursor: next } = await this.#page(LARGEST_PAGE, page.next_cursor);
        page.items.push(...items);
        page.next_cursor = next;
      }
      return page;
    }, (items) => this.#become(items));
  }

  /** Lets go of an answer that was asked for before a change. Returns whether there is one under way. */
  outdate() {
    const wasLoading = this.#isLoading;
    this.#edition += 1;
    this.#isLoading = false;
    return wasLoading;
  }

  /** Shows an item at its place, whether it was there before or not. Returns its row. */
  put(item) {
    const row = this.#show(item);
    const isBehind = (other) => other !== row && this.#options.compare(other.item, item) > 0;
    this.#insert(row, [...this.#list.children].find(isBehind) ?? null);
    this.#changed();
    return row;
  }

  /** Takes an item out. If it had the focus, its neighbour has it now. */
  drop(id) {
    const row = this.#rows.get(id);
    if (!row) return;
    const heir = (row.nextElementSibling ?? row.previousElementSibling)?.querySelector('button:not([hidden])') ?? this.#options.title;
    const hadFocus = row.contains(document.activeElement);
    row.remove();
    this.#rows.delete(id);
    if (hadFocus) heir.focus();
    this.#changed();
  }

  async #more() {
    if (this.#isLoading || !this.#next) return;
    this.#word.textContent = 'Loading…';
    await this.#load(() => this.#page(PAGE, this.#next), (items) => items.forEach((item) => this.put(item)));
  }

  async #load(ask, show) {
    const edition = this.#edition;
    this.#isLoading = true;
    this.#retry.hidden = true;
    this.#element.ariaBusy = 'true';
    let shown;
    try {
      const { items, next_cursor: next } = await ask();
      shown = () => this.#loaded(items, next, show);
    } catch (error) {
      shown = () => this.#failed(failureOf(error), () => this.#load(ask, show));
    }
    if (edition !== this.#edition) return;
    this.#isLoading = false;
    this.#element.ariaBusy = 'false';
    shown();
  }

  #loaded(items, next, show) {
    this.#next = next;
    show(items);
    this.#element.classList.remove('stale');
    this.#changed();
    // If the end is in view still, it is looked at again.
    this.#observer.disconnect();
    this.#observer.observe(this.#end);
  }

  #failed(failure, retry) {
    this.#word.textContent = failure.message;
    announce(`${this.#options.label}: ${failure.message}`);
    offerRetry(this.#retry, failure, retry);
  }

  async #page(limit, cursor) {
    const { path, parameters } = this.#options.query();
    const query = new URLSearchParams({ ...parameters, limit });
    if (cursor) query.set('cursor', cursor);
    const { json } = await get(`${path}?${query}`);
    return json;
  }

  /** Shows these items and no other, in the server's order. */
  #become(items) {
    const ids = new Set(items.map(({ id }) => id));
    for (const id of [...this.#rows.keys()]) {
      if (!ids.has(id)) this.drop(id);
    }
    let place = this.#list.firstElementChild;
    for (const item of items) {
      const row = this.#show(item);
      if (row === place) place = place.nextElementSibling;
      else this.#insert(row, place);
    }
  }

  #show(item) {
    const row = this.#rows.get(item.id) ?? this.#options.make();
    this.#options.fill(row, item);
    row.item = item;
    this.#rows.set(item.id, row);
    return row;
  }

  /** What is put elsewhere in the page loses the focus, unless it is given back. */
  #insert(row, place) {
    if (row.isConnected && row.nextElementSibling === place) return;
    const focused = row.contains(document.activeElement) ? document.activeElement : null;
    this.#list.insertBefore(row, place);
    focused?.focus();
  }

  #changed() {
    if (!this.#isLoading && this.#retry.hidden) {
      this.#word.textContent = this.size === 0 && !this.hasMore ? this.#options.empty : '';
    }
    this.#options.changed?.(this);
  }
}
