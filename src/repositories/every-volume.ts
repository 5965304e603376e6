import type { ArrayControl, ArrayVolume } from './array-control.ts';

/** Page by page, as it is read. @throws ArrayError */
export async function* everyVolume(
  array: Pick<ArrayControl, 'listVolumes'>,
  { ownedOnly }: { readonly ownedOnly: boolean },
): AsyncGenerator<ArrayVolume> {
  for (let cursor: string | undefined; ; ) {
    const from = cursor === undefined ? {} : { cursor };
    const page = await array.listVolumes({ ownedOnly, ...from });
    yield* page.items;
    if (page.cursor === undefined) return;
    cursor = page.cursor;
  }
}
