/**
 * Verified writes to a LUN as a process of its own, to run inside a network namespace. Says how many requests there were.
 *
 *   node test/boot/support/verified-run.ts '{"open":{"portals":[…],…},"requests":400}'
 */
import { IscsiDataPort, type IscsiOpen } from '../../../src/iscsi/index.ts';
import { until } from '../../support/until.ts';
import { startVerifiedWrites } from '../../support/verified-writes.ts';

const { open, requests } = JSON.parse(process.argv[2] ?? '') as {
  open: IscsiOpen;
  requests: number;
};
const port = new IscsiDataPort({ log: { info() {}, warn: (...said) => console.log(...said) } });
const device = await port.open(open);
const content = Buffer.alloc(device.geometry.size);
await device.read(content, 0);
const writes = startVerifiedWrites(device, content);
await until('enough was written', () => writes.done >= requests, 120_000);
await writes.finish();
console.log(`${writes.done} requests, all as written`);
await port.close();
