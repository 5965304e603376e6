/**
 * The payload of the head record: JSON in UTF-8. Fields that this program does not know are ignored; what a
 * reader must understand gets a new format version.
 */
import { Fault } from '../../errors/index.ts';
import type { BootFiles, Initramfs } from '../boot-files/index.ts';
import { INITRD_BYTES_MAX } from '../boot-files/index.ts';
import { CHUNK_BYTES, MANIFEST_DISK_BYTES_MAX } from '../manifest/index.ts';
import { isViolation, type Violation } from './bundle-record.ts';
import { type JsonFields, readJson } from './json-fields.ts';
import {
  BUNDLE_HEAD_BYTES_MAX,
  BUNDLE_VERSIONS_MAX,
  BUNDLE_TEXT_LENGTH_MAX as TEXT,
} from './limits.ts';

const INITRAMFS: readonly Initramfs[] = ['initramfs-tools', 'dracut', 'unknown'];

/** What a server says of a version; texts as they are in its catalog. */
export interface VersionFacts {
  readonly number: number;
  readonly state: string;
  /** Hex SHA-256 of the manifest. */
  readonly contentId: string;
  /** Bytes of the disk. */
  readonly size: number;
  /** The version below it, if that one is in the bundle as well. */
  readonly parentNumber: number | undefined;
  /** Of the image that it was imported from. */
  readonly format: string | undefined;
  readonly kernelArguments: string | undefined;
  readonly description: string | undefined;
  readonly createdAt: string | undefined;
}

export interface BundleBootFiles extends BootFiles {
  /** Given by hand: they are not looked for in what is made from the version. */
  readonly given: boolean;
}

/** Texts come from another server: check them as if a person had typed them. */
export interface BundleVersion extends VersionFacts {
  /** False: it is only named, since the receiver has it already. */
  readonly sent: boolean;
  /** `kernel` and `initrd` are SHA-256 in hex, of files of the bundle. */
  readonly bootFiles: BundleBootFiles | undefined;
}

export interface BundleFile {
  /** Hex. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

export interface BundleHead {
  readonly name: string;
  readonly description: string;
  /** `none`: the receiver asks for the chunks that it lacks. */
  readonly chunks: 'lacking' | 'none';
  readonly compression: 'zstd' | 'none';
  /** A parent is before its children. */
  readonly versions: readonly BundleVersion[];
  /** Kernels and initrds, each once. */
  readonly files: readonly BundleFile[];
}

/** @throws Fault INVALID_INPUT (a field that no receiver would take), LIMIT_EXCEEDED */
export function encodeHead(head: BundleHead): Buffer {
  const payload = Buffer.from(JSON.stringify({ ...head, chunkBytes: CHUNK_BYTES }), 'utf8');
  if (payload.length > BUNDLE_HEAD_BYTES_MAX) {
    throw new Fault('LIMIT_EXCEEDED', `the bundle's description has ${payload.length} bytes`, {
      field: 'versions',
      value: head.versions.length,
      expected: `descriptions of at most ${BUNDLE_HEAD_BYTES_MAX} bytes together`,
    });
  }
  const decoded = decodeHead(payload);
  if (!isViolation(decoded)) return payload;
  const { field, value, expected } = decoded;
  const message = `a bundle cannot say that ${field} is ${value}: expected ${expected}`;
  throw new Fault('INVALID_INPUT', message, { field, value, expected });
}

export function decodeHead(payload: Buffer): ({ kind: 'head' } & BundleHead) | Violation {
  return readJson(payload, (json) => {
    json.whole('chunkBytes', CHUNK_BYTES, CHUNK_BYTES);
    const files = readFiles(json);
    return {
      kind: 'head',
      name: json.text('name', TEXT),
      description: json.text('description', TEXT),
      chunks: json.oneOf('chunks', ['lacking', 'none']),
      compression: json.oneOf('compression', ['zstd', 'none']),
      versions: readVersions(json, new Set(files.map(({ sha256 }) => sha256))),
      files,
    };
  });
}

function readFiles(json: JsonFields): readonly BundleFile[] {
  const seen = new Set<string>();
  return json.objects('files', 0, 2 * BUNDLE_VERSIONS_MAX).map((fields) => {
    const sha256 = fields.sha256('sha256');
    if (seen.has(sha256)) fields.refuse('sha256', 'every file once');
    seen.add(sha256);
    return { sha256, size: fields.whole('size', 1, INITRD_BYTES_MAX) };
  });
}

function readVersions(json: JsonFields, files: ReadonlySet<string>): readonly BundleVersion[] {
  const seen = new Set<number>();
  return json.objects('versions', 1, BUNDLE_VERSIONS_MAX).map((fields) => {
    const number = fields.whole('number', 0, 2 ** 32 - 1);
    if (seen.has(number)) fields.refuse('number', 'every version once');
    const parentNumber = fields.optionalWhole('parentNumber', 0, 2 ** 32 - 1);
    if (parentNumber !== undefined && !seen.has(parentNumber)) {
      fields.refuse('parentNumber', 'a version that stands before this one');
    }
    seen.add(number);
    return {
      number,
      state: fields.text('state', TEXT),
      contentId: fields.sha256('contentId'),
      size: fields.whole('size', 1, MANIFEST_DISK_BYTES_MAX),
      parentNumber,
      format: fields.optionalText('format', TEXT),
      kernelArguments: fields.optionalText('kernelArguments', TEXT),
      description: fields.optionalText('description', TEXT),
      createdAt: fields.optionalText('createdAt', TEXT),
      sent: fields.flag('sent'),
      bootFiles: readBootFiles(fields.optionalObject('bootFiles'), files),
    };
  });
}

function readBootFiles(
  fields: JsonFields | undefined,
  files: ReadonlySet<string>,
): BundleBootFiles | undefined {
  if (fields === undefined) return undefined;
  const file = (name: 'kernel' | 'initrd'): string | undefined => {
    const sha256 = fields.optionalSha256(name);
    if (sha256 !== undefined && !files.has(sha256)) fields.refuse(name, 'a file of the bundle');
    return sha256;
  };
  return {
    kernel: file('kernel'),
    initrd: file('initrd'),
    kernelVersion: fields.optionalText('kernelVersion', TEXT),
    rootPartition: fields.text('rootPartition', TEXT),
    rootFilesystem: fields.optionalText('rootFilesystem', TEXT),
    rootUuid: fields.optionalText('rootUuid', TEXT),
    initramfs: fields.oneOf('initramfs', INITRAMFS),
    reason: fields.optionalText('reason', TEXT),
    given: fields.optionalFlag('given') ?? false,
  };
}
