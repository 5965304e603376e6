/** From a URI to a device: an NBD export or a LUN through our own clients, or a volume of a repository. */
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { LocalVolumeControl, LocalVolumeData } from '../../src/adapters/local/index.ts';
import { type BlockDevice, PLAIN } from '../../src/block/index.ts';
import { IscsiDataPort } from '../../src/iscsi/index.ts';
import { connectNbd, type NbdTlsOptions, nbdDevice } from '../../src/nbd/index.ts';
import { BLOCK, fillBlock, IMAGE_AUTHOR } from './content.ts';
import { iscsiCredentials, parseIscsiUrl } from './iscsi-url.ts';
import type { TlsFiles } from './job.ts';

export const REPOSITORY_PREFIX = 'repository:local:';

/** Blocks that a new volume is filled with at a time. */
const FILL_BLOCKS = 256;

/** The connections of one machine to its disk. */
export interface OpenDisk {
  readonly devices: readonly BlockDevice[];
  close(): Promise<void>;
}

/** The first key of a file of `identity:hexkey` lines. */
function readPsk(path: string): { identity: string; key: Buffer } {
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [, identity, hex] = /^([^#:]+):([0-9a-fA-F]+)\s*$/.exec(line) ?? [];
    if (identity !== undefined && hex !== undefined) {
      return { identity, key: Buffer.from(hex, 'hex') };
    }
  }
  throw new Error(`no line identity:hexkey in ${path}`);
}

/** Undefined when no file is given: whether there is TLS is then for the URI to say. */
function credentials(files: TlsFiles): NbdTlsOptions | undefined {
  const { ca, cert, key, psk } = files;
  if ([ca, cert, key, psk].every((file) => file === undefined)) return undefined;
  return {
    ...(ca === undefined ? {} : { ca: readFileSync(ca) }),
    ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
    ...(key === undefined ? {} : { key: readFileSync(key) }),
    ...(psk === undefined ? {} : { psk: readPsk(psk) }),
  };
}

/** A session of its own for each, as NBD has connections. */
async function openLun(lun: NonNullable<ReturnType<typeof parseIscsiUrl>>): Promise<BlockDevice> {
  const say = (_details: object, message: string): void => console.error(message);
  const log = { info: () => undefined, warn: say, error: say };
  const port = new IscsiDataPort({ log });
  try {
    const device = await port.open({ ...lun, ...iscsiCredentials(process.env), write: true });
    const close = device.close.bind(device);
    device.close = async () => {
      await close();
      await port.close();
    };
    return device;
  } catch (error) {
    await port.close();
    throw error;
  }
}

/**
 * One connection. The style is structured replies, as fio's engine speaks it, so that both clients ask a
 * server for the same work.
 * @throws Fault, as connectNbd
 */
export async function connectDevice(
  uri: string,
  tls: TlsFiles,
  requestsInFlight: number,
): Promise<BlockDevice> {
  const lun = parseIscsiUrl(uri);
  if (lun !== undefined) return await openLun(lun);
  const tlsCredentials = credentials(tls);
  const client = await connectNbd(uri, {
    style: 'structured',
    contexts: [],
    requestsInFlight,
    ...(tlsCredentials === undefined ? {} : { tls: 'require', tlsCredentials }),
  });
  return nbdDevice(client);
}

async function fill(device: BlockDevice, bytes: number): Promise<void> {
  const chunk = Buffer.allocUnsafe(FILL_BLOCKS * BLOCK);
  for (let offset = 0; offset < bytes; offset += chunk.length) {
    const length = Math.min(chunk.length, bytes - offset);
    for (let at = 0; at < length; at += BLOCK) {
      fillBlock(chunk, at, IMAGE_AUTHOR, 0, (offset + at) / BLOCK);
    }
    await device.write(chunk.subarray(0, length), offset, PLAIN);
  }
  await device.flush();
}

/** A new volume in the folder, filled with the image's content; `close` deletes it. */
async function openVolume(folder: string, bytes: number, connections: number): Promise<OpenDisk> {
  const control = await LocalVolumeControl.attach(folder);
  const id = `bench-${randomBytes(6).toString('hex')}`;
  const { locator } = await control.createVolume({ id, size: bytes });
  const devices: BlockDevice[] = [];
  // Also when this process is told to end in the middle of a job.
  const onExit = (): void => rmSync(String(locator.address['path']), { force: true });
  process.on('exit', onExit);
  const close = async (): Promise<void> => {
    await Promise.allSettled(devices.map((device) => device.close()));
    await control.deleteVolume(id);
    process.off('exit', onExit);
  };
  try {
    const data = new LocalVolumeData({ log: { warn: () => undefined } });
    while (devices.length < connections) devices.push(await data.open(locator, { write: true }));
    const [first] = devices;
    if (first !== undefined) await fill(first, bytes);
    return { devices, close };
  } catch (error) {
    await close();
    throw error;
  }
}

export async function openDisk(
  uri: string,
  tls: TlsFiles,
  connections: number,
  requestsInFlight: number,
  volumeBytes: number,
): Promise<OpenDisk> {
  if (uri.startsWith(REPOSITORY_PREFIX)) {
    return openVolume(uri.slice(REPOSITORY_PREFIX.length), volumeBytes, connections);
  }
  const devices: BlockDevice[] = [];
  const close = async (): Promise<void> => {
    await Promise.allSettled(devices.map((device) => device.close()));
  };
  try {
    while (devices.length < connections) {
      devices.push(await connectDevice(uri, tls, requestsInFlight));
    }
    return { devices, close };
  } catch (error) {
    await close();
    throw error;
  }
}
