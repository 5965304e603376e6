/** Figures as Xen Orchestra draws them: what NBD clients read and write of volumes and vDisks is seen in /rrd_updates. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import { connectNbd } from '../../../src/nbd/client/index.ts';
import { writePatternImage } from '../../support/pattern-image.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';
import { JsonRpc } from '../../support/xenapi/json-rpc.ts';

const KIB = 1024;
const SIZE = 4 * 2 ** 20;
/** As Xen Orchestra polls (reference 4.1): since so many seconds, rows of five. */
const SINCE_SECONDS = 300;
const INTERVAL = 5;

interface SrRecord {
  readonly uuid: string;
  readonly name_label: string;
}

interface Updates {
  readonly meta: { readonly legend: readonly string[]; readonly step: number };
  readonly data: readonly { readonly t: number; readonly values: readonly string[] }[];
}

describe('figures of what NBD clients do', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: ServiceProcess;
  let rpc: JsonRpc;
  let srs: readonly SrRecord[];

  beforeAll(async () => {
    folder = await temporaryFolder('xen-figures');
    writePatternImage(join(folder.path, 'base.img'), SIZE);
    service = await ServiceProcess.start({ arguments: ['--workers', '2'] });
    const path = `path=${folder.path}`;
    await service.json('repository', 'create', 'r', '--kind', 'local', '--set', path);
    for (const name of ['r/v', 'r/w']) {
      await service.json('volume', 'create', name, '--size', '4m');
    }
    await service.json('vdisk', 'import', join(folder.path, 'base.img'), '--name', 'base');
    rpc = new JsonRpc(service.xenapi, 2);
    await rpc.login('root', service.token);
    srs = Object.values(await rpc.call('SR.get_all_records'));
  });

  afterAll(async () => {
    await service.remove();
    await folder.remove();
  });

  async function updates(whose: Record<string, string>): Promise<Updates> {
    const now = Math.floor(Date.now() / 1000);
    const query = new URLSearchParams({
      ...{ session_id: rpc.session, start: String(now - SINCE_SECONDS), cf: 'AVERAGE' },
      ...{ interval: String(INTERVAL), json: 'true', ...whose },
    });
    const response = await fetch(`${service.xenapi}/rrd_updates?${query}`);
    expect(response.status).toBe(200);
    return (await response.json()) as Updates;
  }

  /** Every value that a figure of an SR had, the newest first. */
  async function values(name: string, sr: SrRecord): Promise<readonly number[]> {
    const { meta, data } = await updates({ host: 'true' });
    expect(meta.step).toBe(INTERVAL);
    const ending = `:${name}_${sr.uuid.slice(0, 8)}`;
    const column = meta.legend.findIndex((entry) => entry.endsWith(ending));
    return column < 0 ? [] : data.map((row) => Number(row.values[column]));
  }

  const most = async (name: string, sr: SrRecord): Promise<number> =>
    Math.max(0, ...(await values(name, sr)).filter((value) => !Number.isNaN(value)));

  const srNamed = (is: (sr: SrRecord) => boolean): SrRecord => {
    const found = srs.find(is);
    if (found === undefined) throw new Error(`no such SR among ${JSON.stringify(srs)}`);
    return found;
  };
  const ofRepository = () => srNamed(({ name_label }) => name_label === 'r');
  const ofVdisks = () => srNamed(({ name_label }) => name_label !== 'r');

  /** There is a figure once there are two samples; nothing has happened yet. */
  async function isDrawn(sr: SrRecord): Promise<void> {
    await until('there is a figure', async () => (await values('iops_read', sr)).includes(0));
  }

  test('a volume: reads and writes, as requests and as bytes', async () => {
    const sr = ofRepository();
    await isDrawn(sr);
    expect(await most('iops_total', sr)).toBe(0);
    const client = await connectNbd(service.uri('volume/r/v'));
    const block = Buffer.alloc(64 * KIB, 1);
    await until('reads and writes are seen', async () => {
      for (let request = 0; request < 256; request++) {
        await client.read(block, (request % 64) * block.length);
        if (request % 2 === 0) await client.write(block, (request % 64) * block.length, PLAIN);
      }
      return (await most('iops_read', sr)) > 0 && (await most('iops_write', sr)) > 0;
    });
    await client.disconnect();
    const [reads, writes] = [await most('iops_read', sr), await most('iops_write', sr)];
    // Of 64 KiB each: 16 of them are a MiB.
    expect((await most('io_throughput_read', sr)) / reads).toBeCloseTo(1 / 16, 2);
    expect((await most('io_throughput_write', sr)) / writes).toBeCloseTo(1 / 16, 2);
    expect(await most('iops_total', sr)).toBeGreaterThan(Math.max(reads, writes));
    expect(await most('iops_write', ofVdisks())).toBe(0);
  });

  test('a volume by itself: what is read of it, and not of the one beside it', async () => {
    const vdis: readonly SrRecord[] = Object.values(await rpc.call('VDI.get_all_records'));
    const uuid = vdis.find(({ name_label }) => name_label === 'w')?.uuid ?? 'none';
    const client = await connectNbd(service.uri('volume/r/w'));
    const block = Buffer.alloc(64 * KIB, 1);
    // Holes are told of, and not read.
    for (let at = 0; at < SIZE; at += block.length) await client.write(block, at, PLAIN);
    const read = `AVERAGE:vdi:${uuid}:iops_read`;
    const most = (updates: Updates, name: string): number => {
      const column = updates.meta.legend.indexOf(name);
      const known = updates.data.map((row) => Number(row.values[column]));
      return Math.max(0, ...known.filter((value) => !Number.isNaN(value)));
    };
    /** Of some time in which it was read, and not written any more. */
    const isOnlyRead = ({ meta, data }: Updates): boolean => {
      const reads = meta.legend.indexOf(read);
      const writes = meta.legend.indexOf(`AVERAGE:vdi:${uuid}:iops_write`);
      return data.some(({ values }) => Number(values[reads]) > 0 && Number(values[writes]) === 0);
    };
    let seen: Updates | undefined;
    await until('reads are seen, and none of them as a write', async () => {
      for (let at = 0; at < SIZE; at += block.length) await client.read(block, at);
      seen = await updates({ vdi_uuid: uuid });
      return isOnlyRead(seen);
    });
    await client.disconnect();
    if (seen === undefined) throw new Error('nothing was seen');
    expect(seen.meta.legend).toHaveLength(6);
    const name = `AVERAGE:vdi:${uuid}:io_throughput_read`;
    expect(most(seen, name) / most(seen, read)).toBeCloseTo(1 / 16, 2);
    // The other one of the repository was read and written before, and each is told of once.
    const all = (await updates({ vdi: 'true' })).meta.legend;
    expect(all).toHaveLength(12);
    expect(all).toContain(read);
  });

  test('a vDisk that is looked at, by no machine', async () => {
    const sr = ofVdisks();
    const client = await connectNbd(service.uri('vdisk/base'));
    const block = Buffer.alloc(64 * KIB);
    await until('reads are seen', async () => {
      for (let at = 0; at < SIZE; at += block.length) await client.read(block, at);
      return (await most('iops_read', sr)) > 0;
    });
    await client.disconnect();
    expect((await most('io_throughput_read', sr)) / (await most('iops_read', sr))).toBeCloseTo(
      1 / 16,
      2,
    );
  });
});
