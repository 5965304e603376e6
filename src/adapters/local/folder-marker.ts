/**
 * Whose folder it is: a file in it names the repository, the server that has it attached, and the fencing epoch, which
 * every take-over raises. Before each change the marker is read again: another epoch means that somebody took over,
 * no marker that something else is mounted there now.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArrayError } from '../../errors/index.ts';
import { ignoreMissing, writeText } from './durable-files.ts';

export const MARKER_FILE = '.rootcast-repository.json';

export interface Marker {
  readonly repositoryId: string;
  readonly server: string;
  readonly epoch: number;
}

/** undefined: there is none. @throws ArrayError ALREADY_MANAGED when it cannot be understood */
export async function readMarker(folder: string): Promise<Marker | undefined> {
  const text = await readFile(join(folder, MARKER_FILE), 'utf8').catch(ignoreMissing);
  if (text === undefined) return undefined;
  try {
    const { repositoryId, server, epoch } = JSON.parse(text) as Record<string, unknown>;
    if (
      typeof repositoryId === 'string' &&
      typeof server === 'string' &&
      Number.isSafeInteger(epoch)
    ) {
      return { repositoryId, server, epoch: Number(epoch) };
    }
  } catch {
    // said below
  }
  throw new ArrayError('ALREADY_MANAGED', `${join(folder, MARKER_FILE)} is damaged`);
}

/** @param isFirst another one must not be there: of two who mark a folder at the same time, one fails with EEXIST */
export async function writeMarker(
  folder: string,
  marker: Marker,
  { isFirst }: { readonly isFirst: boolean },
): Promise<void> {
  const text = `${JSON.stringify(marker, undefined, 2)}\n`;
  await writeText({ folder, file: MARKER_FILE }, !isFirst, text);
}

/** @throws ArrayError FENCED, UNREACHABLE */
export async function checkMarker(folder: string, ours: Marker): Promise<void> {
  const there = await readMarker(folder);
  if (there === undefined) {
    throw new ArrayError('UNREACHABLE', `${folder} is not the repository's folder any more`);
  }
  if (there.repositoryId === ours.repositoryId && there.epoch === ours.epoch) return;
  throw new ArrayError('FENCED', `${there.server} has taken ${folder} over`, {
    refs: [there.server],
  });
}
