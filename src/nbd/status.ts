/**
 * Block status: what each selected metadata context says of a range, collected before anything is
 * sent, so that a failure can still take the place of the whole reply.
 */
import { isPromise, type MaybePromise } from '../base/index.ts';
import type { BlockDevice, ExtentKind } from '../block/index.ts';
import type { MetaContext } from '../exports/index.ts';
import { BASE_ALLOCATION_ID } from './handshake-answers.ts';
import { STATUS_CALLS } from './limits.ts';
import { NBD_STATE_HOLE, NBD_STATE_ZERO } from './wire/constants.ts';
import type { StatusExtent } from './wire/index.ts';

/** base:allocation of each kind of extent. Total: a new kind must be mapped here. */
const STATE: Readonly<Record<ExtentKind, number>> = {
  data: 0,
  zero: NBD_STATE_ZERO,
  hole: NBD_STATE_HOLE | NBD_STATE_ZERO,
};

export type StatusSource = (
  offset: number,
  length: number,
  limit: number,
) => MaybePromise<readonly StatusExtent[]>;

/** Who answers for a context id; undefined for an id that the export does not have. */
export function statusSource(
  id: number,
  device: BlockDevice,
  contexts: readonly MetaContext[],
): StatusSource | undefined {
  if (id === BASE_ALLOCATION_ID) {
    return (offset, length, limit) => {
      const extents = device.extents(offset, length, limit);
      return isPromise(extents) ? extents.then(allocation) : allocation(extents);
    };
  }
  const context = contexts[id - BASE_ALLOCATION_ID - 1];
  return context && ((offset, length, limit) => context.status(offset, length, limit));
}

function allocation(
  extents: readonly { readonly length: number; readonly kind: ExtentKind }[],
): readonly StatusExtent[] {
  return extents.map(({ length, kind }) => ({ length, flags: STATE[kind] }));
}

/**
 * Asks until the range is covered, `limit` is reached or it has asked often enough: a source may
 * stop early, and a client that gets little asks again, over the network. Never beyond the range,
 * neighbours differ; empty only when the source said nothing.
 */
export function collectStatus(
  ask: StatusSource,
  offset: number,
  length: number,
  limit: number,
): MaybePromise<readonly StatusExtent[]> {
  const found: { length: number; flags: number }[] = [];
  const end = offset + length;
  let at = offset;
  let calls = STATUS_CALLS;
  /** Whether it is worth asking again. */
  const take = (answer: readonly StatusExtent[]): boolean => {
    for (const extent of answer) {
      const size = Math.min(extent.length, end - at);
      const before = found.at(-1);
      if (size === 0) break;
      if (before !== undefined && before.flags === extent.flags) before.length += size;
      else if (found.length === limit) return false;
      else found.push({ length: size, flags: extent.flags });
      at += size;
    }
    return answer.length > 0 && found.length < limit;
  };
  const go = (): MaybePromise<readonly StatusExtent[]> => {
    while (at < end && calls > 0) {
      calls -= 1;
      const answer = ask(at, end - at, limit - found.length);
      if (isPromise(answer)) return answer.then((late) => (take(late) ? go() : found));
      if (!take(answer)) break;
    }
    return found;
  };
  return go();
}
