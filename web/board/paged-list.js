// A list that grows as one scrolls, page by page of the API, and that can be put right row by row.

import { failureOf, get } from './api.js';
import { copyOf, part } from './dom.js';
import { offerRetry } from './notices.js';

const PAGE = 20;
const LARGEST_PAGE = 100;

export class PagedList {
  #rows = new Map();
  #next = null;
  /** Counts the beginnings: what was asked before the last of them is not shown any more. */
  #beginning = 0;
  #isLoading = false;
  #options;
  #element = copyOf('paged-list');
  #list = part(this.#element, 'rows');
  #word = part(this.#element, 'word');
  #retry = part(this.#element, 'retry');
  #observer;

  /**
   * `query()` makes the list's path and parameters; `make()` and `fill(row, item)` make a row's element and show an
   * item in it; `compare(a, b)` is the list's order; `empty` is said where there is nothing; `changed(list)` hears of
   * every change; `scroller` is the element that scrolls, if it is not the page.
   */
  constructor(options) {
    this.#options = options;
    this.#list.setAttribute('aria-label', options.label);
    this.#observer = new IntersectionObserver(
      ([end]) => { if (end.isIntersecting) this.#more(); },
      { root: options.scroller ?? null, rootMargin: '300px' },
    );
  }

  get element() { return this.#element; }
  get size() { return this.#rows.size; }
  get hasMore() { return this.#next !== null; }
  get items() { return [...this.#rows.values()].map(({ item }) => item); }

  /** Begins anew with what the parameters are now. */
  async begin() {
    this.#beginning += 1;
    this.#isLoading = false;
    this.#element.classList.add('stale');
    this.#next = null;
    await this.#load(() => this.#page(PAGE), (items) => this.#reconcile(items));
  }

  /** Shows the same rows as they are by now, and those that came since. */
  async refresh() {
    this.#beginning += 1;
    this.#isLoading = false;
    const count = this.size;
    await this.#load(async () => {
      let page = await this.#page(Math.min(Math.max(count, PAGE), LARGEST_PAGE));
      const { items } = page;
      while (items.length < count && page.next_cursor) {
        page = await this.#page(LARGEST_PAGE, page.next_cursor);
        items.push(...page.items);
      }
      return { items, next_cursor: page.next_cursor };
    }, (items) => this.#reconcile(items));
  }

  /** Shows an item at its place, whether it was there before or not. */
  put(item) {
    const row = this.#rows.get(item.id)?.row ?? this.#options.make();
    this.#rows.set(item.id, { item, row });
    this.#options.fill(row, item);
    const isAfter = (other) => other !== row && this.#options.compare(other.item, item) > 0;
    row.item = item;
    const place = [...this.#list.children].find(isAfter) ?? null;
    if (row.nextElementSibling !== place || !row.isConnected) this.#list.insertBefore(row, place);
    this.#changed();
    return row;
  }

  /** Takes an item out. */
  drop(id) {
    this.#rows.get(id)?.row.remove();
    this.#rows.delete(id);
    this.#changed();
  }

  /** The row that shows this item. */
  row(id) { return this.#rows.get(id)?.row; }

  async #more() {
    if (this.#isLoading || !this.#next) return;
    await this.#load(() => this.#page(PAGE, this.#next), (items) => items.forEach((item) => this.put(item)));
  }

  async #load(ask, show) {
    const beginning = this.#beginning;
    this.#isLoading = true;
    this.#retry.hidden = true;
    this.#say('Loading…');
    try {
      const { items, next_cursor: next } = await ask();
      if (beginning !== this.#beginning) return;
      this.#next = next;
      this.#isLoading = false;
      show(items);
      this.#element.classList.remove('stale');
      this.#say(this.size === 0 ? this.#options.empty : '');
      // If the end is in view still, it is looked at again.
      this.#observer.disconnect();
      this.#observer.observe(part(this.#element, 'end'));
    } catch (error) {
      if (beginning !== this.#beginning) return;
      this.#isLoading = false;
      const failure = failureOf(error);
      this.#options.failed?.(failure);
      this.#say(failure.words);
      offerRetry(this.#retry, failure, () => this.#load(ask, show));
    }
  }

  async #page(limit, cursor) {
    const { path, parameters } = this.#options.query();
    const query = new URLSearchParams({ ...parameters, limit });
    if (cursor) query.set('cursor', cursor);
    const { json } = await get(`${path}?${query}`);
    return json;
  }

  /** Keeps the rows of these items, and takes the others out. */
  #reconcile(items) {
    const ids = new Set(items.map(({ id }) => id));
    for (const id of [...this.#rows.keys()]) {
      if (!ids.has(id)) this.drop(id);
    }
    items.forEach((item) => this.put(item));
    this.#changed();
  }

  #changed() {
    if (!this.#isLoading) this.#say(this.size === 0 && !this.hasMore ? this.#options.empty : '');
    this.#options.changed?.(this);
  }

  #say(words) { this.#word.textContent = words; }
}
