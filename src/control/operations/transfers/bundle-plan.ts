/**
 * What becomes of the versions of a bundle here. Asked when its head has come, before anything is written,
 * and again when all of it is here: much may have happened in between.
 */
import { Fault } from '../../../errors/index.ts';
import { isSealed, type SealedVersion, type VdiskRecord } from '../../catalog/records.ts';
import type { Control } from '../../control.ts';
import { MAX_DESCRIPTION_LENGTH, MAX_VDISKS, MAX_VERSIONS_PER_VDISK } from '../../limits.ts';
import type { BundleHead } from '../../transfer-port.ts';
import { parseKernelArguments } from '../../values/kernel-arguments.ts';
import { parseName } from '../../values/name.ts';

type HeadVersion = BundleHead['versions'][number];

export interface ReceiveOptions {
  /** undefined: as the sender calls it. */
  readonly name: string | undefined;
  /** Versions are added to a vDisk that is here. */
  readonly update: boolean;
}

/** A version of the bundle that is not here. */
export interface NewVersion {
  readonly number: number;
  readonly state: Extract<SealedVersion['state'], 'production' | 'test'>;
  readonly parentNumber: number | undefined;
  readonly description: string;
  readonly kernelArguments: string;
  /** undefined: the sender does not say. */
  readonly createdAt: number | undefined;
}

export interface BundlePlan {
  readonly name: string;
  readonly description: string;
  /** undefined: it is to be made. */
  readonly vdisk: VdiskRecord | undefined;
  /** In the order of the bundle. */
  readonly added: readonly NewVersion[];
  /** Numbers of those that are here with the same content. */
  readonly present: readonly number[];
}

/** As the boot script takes them: they become words of the kernel's command line. */
const ROOT_PARTITION = /^(p[1-9][0-9]{0,2})?$/;
const FILESYSTEM = /^[a-z0-9]{1,16}$/;

/**
 * @throws Fault ALREADY_EXISTS (the name, or a number with another content), IN_USE, LIMIT_EXCEEDED, and
 *   INVALID_INPUT for texts that nobody could have typed here
 */
export function planBundle(
  control: Control,
  head: BundleHead,
  { name: given, update }: ReceiveOptions,
): BundlePlan {
  const { catalog } = control;
  const name = parseName(given ?? head.name, 'vdisk.name');
  const vdisk = catalog.vdisks.byName(name);
  if (vdisk !== undefined && !update) throw taken(name);
  if (vdisk === undefined && catalog.vdisks.count() >= MAX_VDISKS) {
    throw tooMany('vdisks', 'there are too many vDisks', MAX_VDISKS);
  }
  const added: NewVersion[] = [];
  const present: number[] = [];
  for (const version of head.versions) {
    const known = parseVersion(version);
    if (vdisk !== undefined && isPresent(control, vdisk, version)) present.push(version.number);
    else added.push(known);
  }
  const before = vdisk === undefined ? 0 : catalog.versions.ofVdisk(vdisk.id).length;
  if (before + added.length > MAX_VERSIONS_PER_VDISK) {
    throw tooMany('vdisk.versions', `vDisk ${name} gets too many versions`, MAX_VERSIONS_PER_VDISK);
  }
  const description = parseText(head.description, 'vdisk.description');
  return { name, description, vdisk, added, present };
}

/** @throws Fault ALREADY_EXISTS, IN_USE */
function isPresent(
  { catalog }: Control,
  vdisk: VdiskRecord,
  { number, contentId }: HeadVersion,
): boolean {
  const version = catalog.versions.byNumber(vdisk.id, number);
  if (version === undefined) return false;
  const what = `version ${number} of vDisk ${vdisk.name}`;
  const details = { field: 'versions', value: number };
  if (version.state === 'deleting') {
    const expected = 'that it is gone; or leave it out';
    throw new Fault('IN_USE', `${what} is being deleted here`, { ...details, expected });
  }
  if (isSealed(version) && version.contentId === contentId) return true;
  const how = isSealed(version) ? 'has another content' : 'is in maintenance';
  throw new Fault('ALREADY_EXISTS', `${what} is here already, and ${how}`, {
    ...details,
    expected: `version ${number} with the content ${contentId}, or none; or another name`,
  });
}

function parseVersion(version: HeadVersion): NewVersion {
  const { number, state, parentNumber, createdAt, bootFiles } = version;
  const at = `version ${number}`;
  if (number < 1) throw wrong('versions.number', number, '1 or more');
  if (state !== 'production' && state !== 'test') {
    throw wrong(`${at}: state`, state, 'production or test');
  }
  if (bootFiles !== undefined) {
    const { rootPartition, rootFilesystem = 'ext4' } = bootFiles;
    if (!ROOT_PARTITION.test(rootPartition)) {
      throw wrong(`${at}: rootPartition`, rootPartition, 'p1 … p999, or nothing');
    }
    if (!FILESYSTEM.test(rootFilesystem)) {
      throw wrong(`${at}: rootFilesystem`, rootFilesystem, 'the name of a file system');
    }
  }
  const time = createdAt === undefined ? Number.NaN : Date.parse(createdAt);
  return {
    ...{ number, state, parentNumber },
    description: parseText(version.description ?? '', `${at}: description`),
    kernelArguments: parseKernelArguments(version.kernelArguments ?? '', `${at}: kernelArguments`),
    createdAt: Number.isFinite(time) && time >= 0 ? time : undefined,
  };
}

function parseText(text: string, field: string): string {
  if (text.length <= MAX_DESCRIPTION_LENGTH) return text;
  throw wrong(field, text.length, `at most ${MAX_DESCRIPTION_LENGTH} characters`);
}

function wrong(field: string, value: unknown, expected: string): Fault {
  const message = `the bundle: ${field} is ${JSON.stringify(value)}; expected ${expected}`;
  return new Fault('INVALID_INPUT', message, { field, value, expected });
}

function taken(name: string): Fault {
  return new Fault('ALREADY_EXISTS', `a vDisk ${name} is there already`, {
    field: 'vdisk.name',
    value: name,
    expected: 'a name that no other vDisk has, or update to add versions to this one',
  });
}

function tooMany(field: string, message: string, most: number): Fault {
  return new Fault('LIMIT_EXCEEDED', message, { field, value: most, expected: `at most ${most}` });
}
