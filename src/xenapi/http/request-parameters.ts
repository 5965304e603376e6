/**
 * Parameters of a request: those of its query and those of its cookies. Pure. Cookies are separated by `;`, as browsers
 * do it, or else by `&`, as old clients of XenServer do.
 */
export class RequestParameters {
  readonly #query: URLSearchParams;
  readonly #cookies: ReadonlyMap<string, string>;

  /** @param url path and query @param cookie the header */
  constructor(url: string, cookie: string | undefined) {
    const mark = url.indexOf('?');
    this.#query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
    this.#cookies = cookiesOf(cookie ?? '');
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

function cookiesOf(header: string): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>();
  for (const part of header.split(header.includes(';') ? ';' : '&')) {
    const mark = part.indexOf('=');
    if (mark < 0) continue;
    const name = part.slice(0, mark).trim();
    if (!cookies.has(name)) cookies.set(name, decoded(part.slice(mark + 1).trim()));
  }
  return cookies;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a percent sign that means itself
  }
}
