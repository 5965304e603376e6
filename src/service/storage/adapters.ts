/** Every kind of storage that this service can attach; the control thread and each worker look here. */
import { localAdapter } from '../../adapters/local/index.ts';
import type { Adapter } from '../../repositories/index.ts';

export const ADAPTERS: readonly Adapter[] = [localAdapter];

export type AdapterOf = (kind: string) => Adapter | undefined;

export const adapterOf: AdapterOf = (kind) => ADAPTERS.find((adapter) => adapter.kind === kind);
