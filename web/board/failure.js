// What went wrong, as words for whoever uses the page.

export class Failure extends Error {
  /**
   * `details` are, where they are known: the HTTP `status`, the API's `code`, what is wrong with each of the `fields`,
   * and the seconds to `wait`.
   */
  constructor(words, details = {}) {
    super(words);
    Object.assign(this, details);
  }

  /** A failure at these fields. */
  static at(fields, details) {
    return new Failure('Please look at what is marked below.', { ...details, fields });
  }

  /** The same failure, said of something. */
  of(words) {
    const { status, code, wait } = this;
    return new Failure(`${words} ${this.message}`, { status, code, wait });
  }
}

/** Anything that was thrown, as a failure. */
export function failureOf(error) {
  if (error instanceof Failure) return error;
  console.error(error);
  return new Failure('Something went wrong on this page. Reload it, and sign in again.');
}
