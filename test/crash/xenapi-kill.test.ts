/**
 * kill -9 of the service while clients of XenAPI import, copy and snapshot. After the next start every VDI that is
 * listed has its blocks, what was acknowledged is there, and the storage holds nothing that no VDI is made of.
 */
import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Xapi } from 'xen-api';
import { SEED, seededRandom } from '../support/seed.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';
import {
  exported,
  firstDifference,
  importRaw,
  MIB,
  sized,
  sparse,
} from '../support/xenapi/disk-content.ts';
import { createSr, createVdi } from '../support/xenapi/xen-service.ts';

/** The slow part of a round is the start of the service. */
const ROUNDS = process.env['ROOTCAST_SLOW'] === '1' ? 20 : 2;
const SIZE = 24 * MIB;
const random = seededRandom();

describe('kill -9', () => {
  let service: ServiceProcess;
  let xapi: Xapi;
  let sr: string;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  /** Names in the folder of an SR without VDIs. */
  let empty: readonly string[];

  async function connect(): Promise<void> {
    const auth = { user: 'root', password: service.token };
    xapi = new Xapi({ url: service.xenapi, auth, watchEvents: false });
    await xapi.connect();
  }

  async function restart(): Promise<void> {
    await service.kill();
    service = await ServiceProcess.start({ data: service.data });
    await connect();
    await until('its storage is attached again', async () => {
      const [pbd] = await xapi.getField('SR', sr, 'PBDs');
      return pbd !== undefined && (await xapi.getField('PBD', pbd, 'currently_attached'));
    });
  }

  beforeEach(async () => {
    folder = await temporaryFolder('xenapi-kill');
    service = await ServiceProcess.start();
    await connect();
    sr = await createSr(xapi, { type: 'file', name: 'sr', config: { location: folder.path } });
    const first = await createVdi(xapi, { SR: sr, virtual_size: MIB });
    await xapi.call('VDI.destroy', first);
    empty = await names();
  });
  afterEach(async () => {
    await service?.remove();
    await folder?.remove();
  });

  const names = async (): Promise<string[]> =>
    (await readdir(folder.path, { recursive: true })).sort();

  /** All VDIs, read whole. */
  async function contents(): Promise<Map<string, Buffer>> {
    const found = new Map<string, Buffer>();
    for (const vdi of await xapi.call('SR.get_VDIs', sr)) {
      const content = await exported(xapi, vdi, 'raw');
      expect(content.length).toBe(await xapi.getField('VDI', vdi, 'virtual_size'));
      found.set(vdi, content);
    }
    return found;
  }

  async function expectNothingLeft(): Promise<void> {
    for (const vdi of [...(await contents()).keys()].reverse()) await xapi.call('VDI.destroy', vdi);
    expect(await xapi.call('SR.get_VDIs', sr)).toEqual([]);
    await until('the storage is as empty as it was', async () => {
      return JSON.stringify(await names()) === JSON.stringify(empty);
    }).catch(async (error: unknown) => {
      throw new Error(`seed ${SEED}: ${(await names()).join(' ')} instead of ${empty.join(' ')}`, {
        cause: error,
      });
    });
  }

  /** Somewhere in what takes about so long. */
  const moment = (ms: number): Promise<void> =>
    new Promise((resolve) => setTimeout(resolve, random() * ms));

  it('in the middle of an import leaves no half VDI', async () => {
    const content = sparse(SIZE, 40);
    const kept = await createVdi(xapi, { SR: sr, virtual_size: SIZE, name_label: 'kept' });
    await importRaw(xapi, kept, content);
    for (let round = 0; round < ROUNDS; round += 1) {
      // Whether it is told at all that the service has died is xen-api's business.
      xapi
        .putResource(sized(content, 64 * 1024), '/import_raw_vdi/', {
          query: { sr_id: sr, format: 'raw' },
        })
        .catch(() => undefined);
      await moment(400);
      await restart();
      await until('what was half imported is gone', async () => {
        const all = await contents().catch(() => undefined); // it goes while it is read
        return all !== undefined && [...all.values()].every((read) => read.equals(content));
      });
      const found = await contents();
      expect(firstDifference(found.get(kept) ?? Buffer.alloc(0), content)).toBe('none');
      // Made for an import that never ended: it is gone, or the import had ended.
      for (const [vdi, read] of found) {
        expect(firstDifference(read, content)).toBe('none');
        if (vdi !== kept) await xapi.call('VDI.destroy', vdi);
      }
    }
    await expectNothingLeft();
  });

  it('in the middle of a copy leaves no half copy', async () => {
    const content = sparse(SIZE, 40);
    const source = await createVdi(xapi, { SR: sr, virtual_size: SIZE });
    await importRaw(xapi, source, content);
    for (let round = 0; round < ROUNDS; round += 1) {
      await xapi.call('Async.VDI.copy', source, sr);
      await moment(300);
      await restart();
      for (const [, read] of await contents()) {
        expect(firstDifference(read, content)).toBe('none');
      }
    }
    await expectNothingLeft();
  });

  it('among snapshots and clones keeps what was acknowledged, and nothing else', async () => {
    const content = sparse(8 * MIB);
    const source = await createVdi(xapi, { SR: sr, virtual_size: content.length });
    await importRaw(xapi, source, content);
    const acknowledged = new Set<string>([source]);
    for (let round = 0; round < ROUNDS; round += 1) {
      const calls = Array.from({ length: 12 }, (_, i) =>
        xapi.call(i % 3 === 0 ? 'VDI.clone' : 'VDI.snapshot', source).then(
          (ref: string) => acknowledged.add(ref),
          () => undefined,
        ),
      );
      await moment(150);
      await restart();
      await Promise.all(calls);
      const found = await contents();
      for (const ref of acknowledged) expect([...found.keys()], `seed ${SEED}`).toContain(ref);
      for (const [, read] of found) expect(firstDifference(read, content)).toBe('none');
    }
    await expectNothingLeft();
  });
});
