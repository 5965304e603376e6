/**
 * Parameters of a request: those of its query and those of its cookies. Pure. Cookies are separated by `;`, as browsers
 * do it, or else by `&`, as old clients of XenServer do.
 */
import { cookiesIn } from '../sessions/request-headers.ts';

export class RequestParameters {
  readonly #query: URLSearchParams;
  readonly #cookies: ReadonlyMap<string, string>;

  /** @param url path and query @param cookie the header */
  constructor(url: string, cookie: string | undefined) {
    this.#query = queryOf(url);
    const header = cookie ?? '';
    this.#cookies = cookiesIn(header.split(header.includes(';') ? ';' : '&'));
  }

  /** Who it is, and for which task: the cookie counts. */
  cookieFirst(name: string): string | undefined {
    return this.#cookies.get(name) ?? this.#query.get(name) ?? undefined;
  }

  /** What is to be done: the query counts. */
  queryFirst(name: string): string | undefined {
    return this.#query.get(name) ?? this.#cookies.get(name);
  }
}

/** @param url path and query */
export function queryOf(url: string): URLSearchParams {
  const mark = url.indexOf('?');
  return new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
}
