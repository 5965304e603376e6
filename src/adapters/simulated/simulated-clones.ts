import { setImmediate as nextTurn } from 'node:timers/promises';
import { KeyedMutex } from '../../base/index.ts';
import { ArrayError } from '../../errors/index.ts';
import {
  type CallOptions,
  type CloneControl,
  checkArrayName,
  checkGrows,
  checkNotCancelled,
  roundedSize,
} from '../../repositories/index.ts';
import type { ArraySession } from './array-session.ts';
import { CLONE_DEPTH, COPY_PAGES_AT_ONCE } from './limits.ts';
import { checkNameIsFree, findByTag } from './look-up.ts';
import { pagesOf } from './page-table.ts';
import { PagedDisk } from './paged-disk.ts';
import type { StoredSnapshot, StoredVolume } from './simulated-array.ts';

export function simulatedClones(session: ArraySession): CloneControl {
  const { array } = session;
  /** A full clone takes a while: whoever asks for the same one meanwhile waits for it. */
  const byTag = new KeyedMutex();
  const core: CloneControl = {
    clone: (request, options) =>
      session.change('clone', options, () =>
        byTag.run(request.tag, async () => {
          const { tag, name, kind } = request;
          checkArrayName(name, session.info.limits);
          const source = array.find(request.source.nativeId);
          const there = findByTag(array.volumes.values(), tag);
          if (there !== undefined) return session.showVolume(there);
          session.need(kind === 'linked' ? 'cloneLinked' : 'cloneFull', `${kind} clones`);
          if (request.source.kind === 'volume')
            session.need('cloneFromVolume', 'clones of volumes');
          if (source === undefined) {
            const message = `there is no ${request.source.kind} ${request.source.name}`;
            throw new ArrayError('NOT_FOUND', message);
          }
          const size = roundedSize(request.size ?? source.disk.size, session.info.limits);
          checkGrows(size, source.disk.size);
          checkNameIsFree(array, name);
          if (kind === 'full') {
            const disk = await copyOf(session, source, options);
            const thin = 'thin' in source ? source.thin : true;
            return session.showVolume(array.addVolume({ name, tag, thin, size, disk }));
          }
          checkDepth(session, source);
          const [disk] = PagedDisk.share([source.disk], true);
          const wanted = { name, tag, thin: true, size, parent: source.id };
          const linked = disk === undefined ? wanted : { ...wanted, disk };
          return session.showVolume(array.addVolume(linked));
        }),
      ),
  };
  return session.can('split') ? { ...core, split: splitOf(session) } : core;
}

/** Splits what shares pages, page by page: writers of the clone are not held up. */
function splitOf(session: ArraySession): NonNullable<CloneControl['split']> {
  return ({ ref }, options) =>
    session.change('split', options, async () => {
      const volume = session.volume(ref);
      if (volume.parent === undefined) return session.showVolume(volume);
      await inSteps(pagesOf(volume.disk.size), options, (index) => {
        if (volume.disk.table.get(index) !== 0) volume.disk.makeWritable(index, 1);
      });
      volume.parent = undefined;
      return session.showVolume(volume);
    });
}

/** The source's content of this moment, in pages of its own; nothing is left of it when it is given up. */
async function copyOf(
  session: ArraySession,
  source: StoredVolume | StoredSnapshot,
  options: CallOptions | undefined,
): Promise<PagedDisk> {
  const [moment] = PagedDisk.share([source.disk], false);
  const copy = new PagedDisk(session.array.pool, source.disk.size);
  try {
    await inSteps(pagesOf(copy.size), options, (index) => {
      copy.copyPage(index, moment?.pageBytes(index));
    });
    return copy;
  } catch (error) {
    copy.clear();
    throw error;
  } finally {
    moment?.clear();
  }
}

async function inSteps(
  pages: number,
  options: CallOptions | undefined,
  step: (index: number) => void,
): Promise<void> {
  for (let index = 0; index < pages; index += 1) {
    step(index);
    if ((index + 1) % COPY_PAGES_AT_ONCE !== 0) continue;
    options?.progress?.((index + 1) / pages);
    await nextTurn();
    checkNotCancelled(options?.signal);
  }
}

function checkDepth(session: ArraySession, source: StoredVolume | StoredSnapshot): void {
  let depth = 1;
  for (let at: StoredVolume | StoredSnapshot | undefined = source; at !== undefined; ) {
    // A snapshot is as deep as its volume; one whose volume is gone has nothing above it.
    const volume: StoredVolume | undefined =
      'volume' in at ? session.array.volumes.get(at.volume.id) : at;
    if (volume?.parent === undefined) break;
    depth += 1;
    at = session.array.find(volume.parent);
  }
  if (depth <= CLONE_DEPTH) return;
  throw new ArrayError('DEPTH_LIMIT', `clones of clones go ${CLONE_DEPTH} deep on this array`);
}
