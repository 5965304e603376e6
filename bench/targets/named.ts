/** STUB of colleague B's file, which replaces it. */
import type { Asked } from '../cell.ts';

export interface NamedTarget extends Asked {
  readonly uri: (machine: number) => string;
}

export async function resolveNamed(text: string): Promise<NamedTarget> {
  const uri = /^(machine|vdisk)\//.test(text) ? `nbd://127.0.0.1:10809/${text}` : text;
  return { pid: undefined, uri: () => uri };
}
