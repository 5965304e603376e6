/** A LUN that another server takes over while ours has no path to it: what still waits here is not written afterwards. */
import { afterEach, describe, expect, it } from 'vitest';
import { iscsiAdapter } from '../../../../src/adapters/iscsi/index.ts';
import { PLAIN } from '../../../../src/block/index.ts';
import { SUPERBLOCK_PLACES } from '../../../../src/repositories/carved/layout.ts';
import {
  decodeSuperblock,
  encodeSuperblock,
} from '../../../../src/repositories/carved/superblock.ts';
import type { ArrayControl, VolumeData } from '../../../../src/repositories/index.ts';
import { MIB, SILENT } from '../../../support/carved.ts';
import { IscsiTarget } from '../../../support/iscsi-target.ts';
import { TargetDisk } from '../../../support/iscsi-target-disk.ts';
import { until } from '../../../support/until.ts';

const IQN = 'iqn.2026-01.test:target';
const LEASES_MS = 60_000;

describe('a LUN that is taken over during an outage', () => {
  const ends: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  let repositories = 0;
  async function attached(): Promise<{
    target: IscsiTarget;
    control: ArrayControl;
    data: VolumeData;
    time: { skew: number };
  }> {
    const time = { skew: 0 };
    const target = await IscsiTarget.start(new TargetDisk({ size: 16 * MIB }));
    ends.push(() => target.stop());
    repositories += 1;
    const connection = {
      repositoryId: `taken-over-${repositories}`,
      settings: { target: target.portal, targetIQN: IQN, LUNid: 1 },
      secrets: {},
      initiatorName: 'iqn.2026-01.test:initiator',
    };
    const parts = { log: SILENT, clock: () => performance.now() + time.skew };
    const { signal } = new AbortController();
    const control = await iscsiAdapter.attach(connection, parts, { create: true, signal });
    ends.push(() => control.close());
    const data = iscsiAdapter.openData(connection, parts, async (question) =>
      control.answer?.(question),
    );
    ends.push(async () => data.close?.());
    return { target, control, data, time };
  }

  /** Swallows the next write, and lets nobody in until `end`; what is on the disk then is told. */
  function outage(target: IscsiTarget) {
    let [taken, over] = [false, false];
    target.script.intercept = (pdu, _, connection) => {
      if (pdu.kind === 'login-request' && taken && !over) connection.socket.destroy();
      // One block of data or of the journal; not the zeroes that are written ahead of time.
      if (pdu.kind === 'scsi-command' && pdu.write && pdu.expectedLength === 4096) taken = true;
      return taken && !over;
    };
    return {
      begins: () => until('the write was swallowed', () => taken),
      end(): Buffer {
        over = true;
        return Buffer.from(target.disk.content);
      },
    };
  }

  function takeOver({ disk }: IscsiTarget): void {
    for (const place of SUPERBLOCK_PLACES) {
      const found = decodeSuperblock(disk.content.subarray(place, place + 4096));
      if (found.kind !== 'superblock') throw new Error('there is no superblock');
      const { sequence, epoch } = found.superblock;
      const other = { sequence: sequence + 1, epoch: epoch + 1, attachToken: 'f'.repeat(32) };
      const owner = 'iqn.2026-01.test:other';
      encodeSuperblock({ ...found.superblock, ...other, owner }).copy(disk.content, place);
    }
  }

  async function lost(work: Promise<unknown>, target: IscsiTarget, time: { skew: number }) {
    const failed = work.then(
      () => undefined,
      (error: unknown) => error,
    );
    return async (out: ReturnType<typeof outage>): Promise<unknown> => {
      await out.begins();
      target.cut();
      takeOver(target);
      time.skew += LEASES_MS;
      const before = out.end();
      const error = await failed;
      expect(target.disk.content.equals(before), 'nothing was written').toBe(true);
      return error;
    };
  }

  it.each([false, true])('gets no write of a volume any more (taken over: %s)', async (taken) => {
    const { target, control, data, time } = await attached();
    const request = { opId: 'o', tag: 't', name: 'v', size: MIB, thin: true };
    const volume = await control.createVolume(request);
    const device = await data.open(volume.locator, { write: true });
    ends.push(() => device.close());
    await device.write(Buffer.alloc(4096, 1), 0, PLAIN);
    const out = outage(target);
    const write = Promise.resolve(device.write(Buffer.alloc(4096, 2), 0, PLAIN));
    if (taken) {
      const error = await (await lost(write, target, time))(out);
      expect(error).toMatchObject({ errno: 'ESTALE' });
      return;
    }
    await out.begins();
    target.cut();
    time.skew += LEASES_MS;
    out.end();
    await write;
    const read = Buffer.alloc(4096);
    await device.read(read, 0);
    expect(read.equals(Buffer.alloc(4096, 2))).toBe(true);
  });

  it('gets no metadata any more', async () => {
    const { target, control, time } = await attached();
    const out = outage(target);
    const making = control.createVolume({ opId: 'o', tag: 't', name: 'v', size: MIB, thin: true });
    const error = await (await lost(making, target, time))(out);
    expect(error).toMatchObject({ code: 'FENCED' });
  });
});
