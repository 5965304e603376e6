/**
 * Verified writes to a volume on NFS as a process of its own, to run inside a network namespace. Says when it writes, what
 * it loses connections of, and at the end how many requests there were.
 *
 *   node test/boot/support/nfs-run.ts '{"where":{"server":…},"version":"3","requests":300,"losses":0}'
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nfsAdapter } from '../../../src/adapters/nfs/index.ts';
import { until } from '../../support/until.ts';
import { startVerifiedWrites } from '../../support/verified-writes.ts';
import type { RoutedGanesha } from './routed-ganesha.ts';

export interface NfsRun {
  readonly where: RoutedGanesha;
  readonly version: '3' | '4';
  /** Before it ends; half of them after the connections were lost. */
  readonly requests: number;
  /** Lost connections to wait for. */
  readonly losses: number;
}

const SIZE = 8 * 1024 * 1024;
const LONG_MS = 60_000;

const { where, version, requests, losses } = JSON.parse(process.argv[2] ?? '') as NfsRun;
let lost = 0;
const warn = (what: object, text: string): void => {
  lost += 1;
  console.log(`${text}: ${JSON.stringify(what)}`);
};
const parts = {
  log: { info: () => undefined, warn, error: warn },
  clock: () => performance.now(),
};
const name = `v${version}-${process.pid}`;
const { server, port, mountPort } = where;
// A repository of its own: two that say they are the same initiator cannot attach one at the same time.
const folder = join(where.folder, version);
await mkdir(folder, { recursive: true });
const connection = {
  repositoryId: `netem-${version}`,
  settings: {
    ...{ server, port, mountPort, nfsversion: version },
    serverpath: version === '3' ? folder : `/export/${version}`,
  },
  secrets: {},
  initiatorName: 'iqn.2026-01.test.rootcast:initiator',
};
const { signal } = new AbortController();
const control = await nfsAdapter.attach(connection, parts, { create: true, signal });
const data = nfsAdapter.openData(connection, parts, async (asked) => control.answer?.(asked));
const made = await control.createVolume({ opId: name, tag: name, name, size: SIZE, thin: true });
const device = await data.open(made.locator, { write: true });

const content = Buffer.alloc(made.size);
const writes = startVerifiedWrites(device, content);
await until('writes go on', () => writes.done >= requests / 2, LONG_MS);
console.log('writing');
await until('connections are lost', () => lost >= losses, LONG_MS);
const before = writes.done;
await until('enough was written', () => writes.done >= before + requests / 2, LONG_MS);
await writes.finish();
await device.flush();
// What was flushed is in the server's file, which is seen here without a network.
const file = await readFile(join(folder, String(made.locator.address['path'])));
if (!file.equals(content)) throw new Error('the server does not have what was flushed');
await device.close();
await control.deleteVolume({ opId: 'd', ref: made.ref });
await data.close?.();
await control.close();
console.log(`${writes.done} requests, all as written`);
