// The page's error type. The message of an AppError is a text for the user, so each module can show any
// error as it is.

export class AppError extends Error {
  /**
   * `details`, each where it is known: the HTTP `status`, the API's error `code`, `fields` (an error text
   * for each form field) and `retryAfter` (the seconds to wait before the next try).
   */
  constructor(message, details = {}) {
    super(message);
    Object.assign(this, details);
  }

  /** Returns an error with a text for each of these form fields. */
  static forFields(fields, details) {
    return new AppError('Please check the marked fields.', { ...details, fields });
  }

  /** Returns a copy whose message begins with `prefix`, such as what the page could not do. */
  withPrefix(prefix) {
    const { status, code, retryAfter } = this;
    return new AppError(`${prefix} ${this.message}`, { status, code, retryAfter });
  }
}

/** Converts anything that was thrown to an AppError. Another error is a bug of the page, and is logged. */
export function toAppError(error) {
  if (error instanceof AppError) return error;
  console.error(error);
  return new AppError('Something went wrong on this page. Reload it and sign in again.');
}
