import type { Answer } from '../wire/nfs3.ts';
import type { Compound } from '../wire/nfs4-compound.ts';
import type { XdrReader } from '../wire/xdr.ts';

export interface CompoundOptions {
  readonly repeatable: boolean;
  /** In recovery: before all other calls. */
  readonly urgent?: boolean;
}

/** Makes a compound call; a status is an answer. Rejects with an RpcFailure. */
export type AskCompound = <T>(
  compound: Compound,
  read: (reader: XdrReader) => Answer<T>,
  options: CompoundOptions,
) => Promise<Answer<T>>;
