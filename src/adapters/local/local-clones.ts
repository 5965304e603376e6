/**
 * Clones by reflink. A linked one shares blocks with its source, which the file system counts: so neither depends on
 * the other, and splitting only forgets where it came from. A full one is copied byte by byte, from a copy of
 * one moment, so that nothing is shared.
 */
import { randomUUID } from 'node:crypto';
import { chmod, type FileHandle, open, rm, truncate } from 'node:fs/promises';
import { ZEROES } from '../../block/index.ts';
import { ArrayError } from '../../errors/index.ts';
import {
  type ArrayVolume,
  type CallOptions,
  type CloneControl,
  checkArrayName,
  checkGrows,
  checkNotCancelled,
  roundedSize,
} from '../../repositories/index.ts';
import type { AttachedFolder } from './attached-folder.ts';
import { regularFile } from './durable-files.ts';
import { COPY_PIECE_BYTES } from './limits.ts';
import { reflink } from './reflink.ts';
import { VOLUME_ENDING } from './volume-path.ts';

export function localClones(folder: AttachedFolder): CloneControl {
  return {
    clone: (request, options) =>
      folder.change(`cannot clone ${request.source.name}`, request.tag, options, () =>
        clone(folder, request, options),
      ),
    split: ({ ref }, options) =>
      folder.change(`cannot split ${ref.name}`, ref.nativeId, options, async () => {
        const volume = await folder.volume(ref);
        const sidecar = { ...volume.sidecar, parent: undefined };
        if (volume.sidecar.parent !== undefined) await folder.store.change(volume, sidecar);
        return await folder.presentVolume({ file: volume.file, sidecar });
      }),
  };
}

async function clone(
  folder: AttachedFolder,
  request: Parameters<CloneControl['clone']>[0],
  options: CallOptions | undefined,
): Promise<ArrayVolume> {
  const { tag, name, kind } = request;
  checkArrayName(name, folder.info.limits);
  const there = (await folder.store.all('volume')).find(({ sidecar }) => sidecar.tag === tag);
  if (there !== undefined) return await folder.presentVolume(there);
  const source =
    request.source.kind === 'snapshot'
      ? await folder.snapshot(request.source)
      : await folder.volume(request.source);
  const state = await regularFile(folder.folder, source.file);
  if (state === undefined) {
    throw new ArrayError('NOT_FOUND', `the file of ${source.sidecar.name} is gone`);
  }
  const sourceSize = Number(state.size);
  const size = roundedSize(request.size ?? sourceSize, folder.info.limits);
  checkGrows(size, sourceSize);
  const parent = kind === 'linked' ? source.sidecar.id : undefined;
  const sidecar = {
    ...({ kind: 'volume', id: randomUUID(), name, tag, thin: true, size } as const),
    ...{ createdAt: Date.now(), parent },
  };
  const file = name + VOLUME_ENDING;
  await folder.store.make(file, sidecar, async (path) => {
    const from = folder.path(source.file);
    if (kind === 'linked') {
      await reflink(from, path);
      await chmod(path, 0o640);
    } else {
      await copyMoment(from, path, options);
    }
    await truncate(path, size);
  });
  return await folder.presentVolume({ file, sidecar });
}

async function copyMoment(
  from: string,
  to: string,
  options: CallOptions | undefined,
): Promise<void> {
  const moment = `${to}-source`;
  await reflink(from, moment);
  try {
    const source = await open(moment, 'r');
    const target = await open(to, 'wx', 0o640);
    try {
      await copyAll(source, target, options);
    } finally {
      await source.close();
      await target.close();
    }
  } finally {
    await rm(moment, { force: true });
  }
}

async function copyAll(
  source: FileHandle,
  target: FileHandle,
  options: CallOptions | undefined,
): Promise<void> {
  const { size } = await source.stat();
  const buffer = Buffer.allocUnsafe(COPY_PIECE_BYTES);
  for (let at = 0; at < size; ) {
    checkNotCancelled(options?.signal);
    const { bytesRead } = await source.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) break;
    const piece = buffer.subarray(0, bytesRead);
    // Holes stay holes.
    if (!piece.equals(ZEROES.subarray(0, bytesRead))) {
      for (let done = 0; done < bytesRead; ) {
        const { bytesWritten } = await target.write(piece, done, bytesRead - done, at + done);
        done += bytesWritten;
      }
    }
    at += bytesRead;
    options?.progress?.(at / size);
  }
}
