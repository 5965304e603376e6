/** A system on a raw disk or in a folder is made one that boots over Rootcast, in place: by boot/prepare.sh, contained. */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../errors/index.ts';
import { type ContainedEnd, type NamedVolume, runContained } from './contained.ts';
import { type Place, type PlaceFacts, placeFacts, placesOf } from './image-kind.ts';
import { PREPARE_LINES, PREPARE_MS, PREPARE_OUTPUT_BYTES } from './limits.ts';
import { stageFiles } from './stage-files.ts';

export interface SystemRequest {
  /** How the image is called when something is said of it. */
  readonly name: string;
  /** The raw file or the folder: a copy, which is of no use any more when this fails. */
  readonly work: string;
  readonly kind: 'raw' | 'folder';
  /** An empty folder for what is made on the way. Whoever asked removes it. */
  readonly folder: string;
  /** Install packages that are missing. */
  readonly install: boolean;
  /** Told what is being done, in words for a person. */
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal;
}

/** What was done, in words for a person. */
export interface PreparedSystem {
  readonly changed: readonly string[];
  readonly notes: readonly string[];
  readonly missing: readonly string[];
}

const WORDS = ['changed', 'same', 'note', 'missing', 'refused'] as const;
type Word = (typeof WORDS)[number];

interface Said {
  readonly lines: Record<Word, string[]>;
  /** The last of everything else. */
  other: string;
}

/** @throws Fault IMAGE_UNSUPPORTED (with what prepare.sh says), CANCELLED */
export async function prepareSystem(request: SystemRequest): Promise<PreparedSystem> {
  const { name, work, kind, folder, signal } = request;
  const stage = join(folder, 'files');
  const tree = join(folder, 'tree');
  await stageFiles(stage);
  await mkdir(tree);
  // The image's own names no server that can be asked from here.
  if (request.install) {
    await copyFile('/etc/resolv.conf', join(stage, 'resolv.conf')).catch(() => undefined);
  }
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PREPARE_MS)]);
  const places = kind === 'folder' ? [] : await look(work);
  const volumes = places.flatMap(volumesOf);
  const run = { image: work, tree, volumes, stage, install: request.install };
  // Of the largest that is none: that is where one would look for it.
  let why = '';
  for (const place of kind === 'folder' ? [undefined] : places) {
    if (place?.other !== undefined) {
      why ||= `${place.other} at byte ${place.offset}`;
      continue;
    }
    const said: Said = { lines: noLines(), other: '' };
    const end = await runContained(
      { ...run, mountOptions: place === undefined ? undefined : loopOptions(place) },
      { signal: limit, onLine: (line, told) => hear(said, request.onStep, line, told) },
    );
    signal.throwIfAborted();
    if (end === 'done') return report(said);
    if (end !== 'no-system') throw unsupported(name, reasonOf(end, said));
    why ||= said.other;
  }
  const found = 'no file system of it has a Linux system with /etc/os-release and /boot';
  throw unsupported(name, why === '' ? found : `${found} (${why})`);
}

type KnownPlace = Place & PlaceFacts;

function look(work: string): Promise<readonly KnownPlace[]> {
  return placesOf(work).then((places) =>
    Promise.all(places.map(async (place) => ({ ...place, ...(await placeFacts(work, place)) }))),
  );
}

function volumesOf(place: KnownPlace): readonly NamedVolume[] {
  return place.names.map((name) => ({ name, mountOptions: loopOptions(place) }));
}

function loopOptions({ offset, size }: Place): string {
  return `loop,offset=${offset},sizelimit=${size}`;
}

function noLines(): Record<Word, string[]> {
  return { changed: [], same: [], note: [], missing: [], refused: [] };
}

function hear(said: Said, onStep: (step: string) => void, line: string, told: boolean): void {
  onStep(line);
  const word = WORDS.find((one) => told && line.startsWith(`${one}: `));
  if (word === undefined) said.other = line;
  else if (said.lines[word].length < PREPARE_LINES) {
    said.lines[word].push(line.slice(word.length + 2));
  }
}

function report({ lines: { changed, note, missing } }: Said): PreparedSystem {
  return { changed, notes: note, missing };
}

function reasonOf(end: Exclude<ContainedEnd, 'done' | 'no-system'>, said: Said): string {
  switch (end) {
    case 'failed':
      return [said.lines.refused[0] ?? 'prepare.sh failed', said.other]
        .filter((words) => words !== '')
        .join(': ');
    case 'too-much-output':
      return `what runs in it says more than ${PREPARE_OUTPUT_BYTES} bytes`;
    case 'killed':
      return `it took more than ${PREPARE_MS / 60_000} minutes, or was killed`;
  }
}

export function unsupported(name: string, why: string): Fault {
  return new Fault('IMAGE_UNSUPPORTED', `${name} cannot be prepared: ${why}; it is as it was`, {
    field: 'image',
    value: name,
    expected: 'a Debian system with a kernel and initramfs-tools or dracut',
  });
}
