import { ITEMS_PER_PAGE } from '../limits.ts';
import type { Session } from '../session.ts';
import type { Page } from '../storage-answers.ts';

/** Everything of a list that the server gives page by page. @throws CliError */
export async function allPages<T>(
  { client }: Session,
  path: string,
  query: Readonly<Record<string, string>> = {},
): Promise<readonly T[]> {
  const found: T[] = [];
  let after: string | null = null;
  do {
    const all = new URLSearchParams({
      ...query,
      limit: String(ITEMS_PER_PAGE),
      ...(after === null ? {} : { after }),
    });
    const page: Page<T> = await client.call<Page<T>>('GET', `${path}?${all}`);
    found.push(...page.items);
    after = page.next;
  } while (after !== null);
  return found;
}
