/** A folder as an array, for the compliance suite and for the adapter's own tests. */
import { lstat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { localAdapter } from '../../src/adapters/local/index.ts';
import type { ArrayControl, Connection, VolumeData } from '../../src/repositories/index.ts';
import { QUIET } from './simulated-arrays.ts';

export function localConnection(
  path: string,
  server = 'iqn.2026-01.dev.rootcast:this-host',
): Connection {
  return {
    repositoryId: 'repository-local',
    settings: { path },
    secrets: {},
    initiatorName: server,
  };
}

export async function attachLocal(
  connection: Connection,
  options: { readonly create?: boolean; readonly takeOver?: boolean } = {},
): Promise<{ control: ArrayControl; data: VolumeData }> {
  const { signal } = new AbortController();
  const control = await localAdapter.attach(connection, QUIET, { ...options, signal });
  const data = localAdapter.openData(connection, QUIET, async () => undefined);
  return { control, data };
}

/** What the compliance suite needs for a folder that it has for itself. */
export function localSubject(path: string) {
  let first = true;
  return {
    attach: () => {
      const create = first;
      first = false;
      return attachLocal(localConnection(path), { create });
    },
    foreign: async (name: string, size: number) => {
      const file = join(path, `${name}.raw`);
      await writeFile(file, '');
      await truncate(file, size);
      const { ino, birthtimeNs } = await lstat(file, { bigint: true });
      return {
        kind: 'volume' as const,
        nativeId: `file-${ino}-${birthtimeNs}`,
        name: `${name}.raw`,
      };
    },
  };
}
