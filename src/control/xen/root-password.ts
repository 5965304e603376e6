import { createHash, timingSafeEqual } from 'node:crypto';

/** The one user of XenAPI that is always there, with all rights. */
export const XEN_ROOT = 'root';

/** That of root: the token of the REST API, of which only a hash is kept here. It is too long to be guessed. */
export class RootPassword {
  readonly #digest: Buffer;

  constructor(token: string) {
    this.#digest = digest(token);
  }

  /** In a time that says nothing of the token. */
  matches(password: string): boolean {
    return timingSafeEqual(digest(password), this.#digest);
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
