/**
 * A simulated array between two runs of the program: `array.json` says what there is, `pages-N` holds the bytes. It is
 * written when the repository is detached in order, and read when it is attached again; what a killed program had
 * changed since is lost, as from memory.
 *
 * A save has pages of its own, and counts when `array.json` names them: so a death in the middle leaves the one before.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ArrayError } from '../../errors/index.ts';
import { PAGE_BYTES } from './limits.ts';
import { PagedDisk } from './paged-disk.ts';
import {
  type Owner,
  SimulatedArray,
  type StoredLink,
  type StoredMapping,
  type StoredSnapshot,
  type StoredVolume,
} from './simulated-array.ts';

const FILE = 'array.json';
const FORMAT = 1;

/** Size in bytes, and which page of the saved ones is where. */
interface SavedDisk {
  readonly size: number;
  readonly pages: readonly (readonly [index: number, saved: number])[];
}

interface SavedArray {
  readonly rootcast: typeof FORMAT;
  readonly pagesFile: string;
  readonly ids: number;
  readonly owner: Owner | undefined;
  readonly volumes: readonly (Omit<StoredVolume, 'disk'> & { readonly disk: SavedDisk })[];
  readonly snapshots: readonly (Omit<StoredSnapshot, 'disk'> & { readonly disk: SavedDisk })[];
  readonly mappings: readonly StoredMapping[];
  readonly fenced: readonly string[];
}

/** Nothing may change the array meanwhile. */
export async function saveArray(array: SimulatedArray, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const pagesFile = `pages-${randomUUID()}`;
  const numbers = new Map<number, number>();
  const savedDisk = (disk: PagedDisk): SavedDisk => ({
    size: disk.size,
    pages: disk.pages().map(([index, page]) => {
      const number = numbers.get(page) ?? numbers.size;
      numbers.set(page, number);
      return [index, number] as const;
    }),
  });
  const withDisk = <T extends { readonly disk: PagedDisk }>(object: T) => ({
    ...object,
    disk: savedDisk(object.disk),
  });
  const unlinked = (link: StoredLink | undefined): StoredLink | undefined =>
    link === undefined ? undefined : { ...link, base: undefined, sending: false };
  const saved: SavedArray = {
    rootcast: FORMAT,
    pagesFile,
    ids: array.idsGiven,
    owner: array.owner,
    volumes: [...array.volumes.values()].map((each) =>
      withDisk({ ...each, link: unlinked(each.link) }),
    ),
    snapshots: [...array.snapshots.values()].map(withDisk),
    mappings: [...array.mappings.values()],
    fenced: [...array.fenced],
  };
  await writeWhole(join(folder, pagesFile), numbers.keys(), (page) => array.pool.bytes(page));
  const unfinished = join(folder, `${FILE}.unfinished`);
  await writeWhole(unfinished, [JSON.stringify(saved)], (text) => Buffer.from(text));
  await rename(unfinished, join(folder, FILE));
  for (const name of await readdir(folder)) {
    if (name.startsWith('pages-') && name !== pagesFile) await rm(join(folder, name));
  }
}

/** undefined: nothing was saved there. @throws ArrayError BACKEND_BUG: it cannot be read */
export async function loadArray(
  name: string,
  capacity: number,
  folder: string,
): Promise<SimulatedArray | undefined> {
  try {
    const text = await readFile(join(folder, FILE), 'utf8').catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      },
    );
    if (text === undefined) return undefined;
    const saved = JSON.parse(text) as SavedArray;
    if (saved.rootcast !== FORMAT) throw new Error('it has another format');
    return await restore(new SimulatedArray(name, capacity), saved, folder);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new ArrayError('BACKEND_BUG', `the array saved in ${folder} cannot be read: ${message}`, {
      cause: error,
    });
  }
}

async function restore(
  array: SimulatedArray,
  saved: SavedArray,
  folder: string,
): Promise<SimulatedArray> {
  const handle = await open(join(folder, saved.pagesFile), 'r');
  /** By the page's place in the file. */
  const pages = new Map<number, number>();
  const pageOf = async (place: number): Promise<number> => {
    const known = pages.get(place);
    if (known !== undefined) {
      array.pool.hold(known);
      return known;
    }
    const page = array.pool.allocate();
    const { bytesRead } = await handle.read(
      array.pool.bytes(page),
      0,
      PAGE_BYTES,
      place * PAGE_BYTES,
    );
    if (bytesRead !== PAGE_BYTES) throw new Error(`page ${place} is missing`);
    pages.set(place, page);
    return page;
  };
  const diskOf = async ({ size, pages: used }: SavedDisk): Promise<PagedDisk> => {
    const disk = new PagedDisk(array.pool, size);
    for (const [index, place] of used) disk.putPage(index, await pageOf(place));
    return disk;
  };
  try {
    for (const each of saved.volumes) {
      const { tag, parent, lastRevert, link } = each; // undefined is not written to JSON
      const disk = await diskOf(each.disk);
      array.volumes.set(each.id, { ...each, tag, parent, lastRevert, link, disk });
    }
    for (const each of saved.snapshots) {
      array.snapshots.set(each.id, { ...each, disk: await diskOf(each.disk) });
    }
  } finally {
    await handle.close();
  }
  for (const each of saved.mappings) array.mappings.set(each.id, { ...each, chap: each.chap });
  for (const each of saved.fenced) array.fenced.add(each);
  array.owner = saved.owner;
  array.giveIdsAfter(saved.ids);
  return array;
}

/** On stable storage when it settles. */
async function writeWhole<T>(
  path: string,
  parts: Iterable<T>,
  bytesOf: (part: T) => Buffer,
): Promise<void> {
  const handle = await open(path, 'w', 0o600); // CHAP passwords of mappings are in it
  try {
    for (const part of parts) await handle.writeFile(bytesOf(part));
    await handle.sync();
  } finally {
    await handle.close();
  }
}
