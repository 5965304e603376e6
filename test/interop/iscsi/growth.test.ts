/**
 * A LUN of a real tgtd grows under volumes that are open and being written to. tgtd keeps the size that a file had when
 * its LUN was made, so the array's side of it is: a longer file, the LUN deleted and made again. For that moment there is no
 * LUN, which the initiator waits for; and tgtd says nothing of the size afterwards, so that it has to be asked.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { iscsiAdapter } from '../../../src/adapters/iscsi/index.ts';
import type { BlockDevice } from '../../../src/block/index.ts';
import type { ArrayControl, ArrayVolume, VolumeData } from '../../../src/repositories/index.ts';
import { describeWith, program } from '../../support/requires.ts';
import { succeed } from '../../support/run-program.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { Tgtd } from '../../support/tgtd.ts';
import { until } from '../../support/until.ts';
import { startVerifiedWrites } from '../../support/verified-writes.ts';

const IQN = 'iqn.2026-01.test.rootcast:growing';
const MIB = 2 ** 20;
const SIZE = 64 * MIB;
const VOLUME = 24 * MIB;
/** With the other volume more than the LUN has at first. */
const LARGE = 56 * MIB;
const PARTS = {
  log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  clock: () => performance.now(),
};

describeWith([program('tgtd', 'tgt'), program('tgtadm', 'tgt')], 'a LUN that grows', () => {
  let tgtd: Tgtd;
  let second: TcpProxy;
  let control: ArrayControl;
  const threads: VolumeData[] = [];
  const connection = {
    repositoryId: 'growing',
    settings: {},
    secrets: {},
    initiatorName: 'iqn.2026-01.dev.rootcast:test',
  };

  beforeAll(async () => {
    tgtd = await Tgtd.start();
    second = await TcpProxy.start({ host: '127.0.0.1', port: tgtd.port });
    await tgtd.target(1, IQN);
    await succeed('truncate', ['-s', String(SIZE), tgtd.file('lun')]);
    await makeLun();
    await tgtd.open(1);
    const portals = [tgtd.portal, second.portal];
    const reach = { ...connection, settings: { portals, targetIQN: IQN, LUNid: 1 } };
    const { signal } = new AbortController();
    control = await iscsiAdapter.attach(reach, PARTS, { create: true, signal });
    const ask = async (question: unknown) => control.answer?.(question);
    for (const _ of [1, 2]) threads.push(iscsiAdapter.openData(reach, PARTS, ask));
  });
  afterAll(async () => {
    for (const thread of threads) await thread.close?.();
    await control?.close();
    await second?.stop();
    await tgtd?.stop();
  });

  /** With the names that tgtd makes of the numbers, which are the same each time: it cannot be given any in time. */
  async function makeLun(): Promise<void> {
    const unit = ['--mode', 'logicalunit', '--tid', '1', '--lun', '1', '--op', 'new'];
    await tgtd.admin(...unit, '--backing-store', tgtd.file('lun'));
  }

  async function growTo(size: number): Promise<void> {
    await succeed('truncate', ['-s', String(size), tgtd.file('lun')]);
    // Refused as long as it has commands to do.
    await until('the LUN is closed', async () => {
      const unit = ['--mode', 'logicalunit', '--tid', '1', '--lun', '1', '--op', 'delete'];
      return (await tgtd.tgtadm(...unit)).code === 0;
    });
    await makeLun();
  }

  async function open(
    thread: number,
    name: string,
    size: number,
  ): Promise<[ArrayVolume, BlockDevice]> {
    const wanted = { opId: name, tag: name, name, size, thin: true };
    const volume = await control.createVolume(wanted);
    const data = threads[thread];
    if (data === undefined) throw new Error('no such thread');
    return [volume, await data.open(volume.locator, { write: true })];
  }

  it('is used as it is by then, while verified writes go on in two threads over two paths', async () => {
    const [volume, first] = await open(0, 'first', VOLUME);
    const [, other] = await open(1, 'other', LARGE);
    const loads = [
      startVerifiedWrites(first, Buffer.alloc(VOLUME)),
      startVerifiedWrites(other, Buffer.alloc(VOLUME)),
    ];
    const goOn = async (): Promise<void> => {
      for (const load of loads) {
        const before = load.done;
        await until('writes go on', () => load.done > before + 50);
      }
    };
    for (const size of [2 * SIZE, 5 * SIZE]) {
      await goOn();
      const before = await control.space();
      await growTo(size);
      await until('all paths know', async () => {
        await control.refresh?.();
        return control.deviceSize === size;
      });
      const after = await control.space();
      expect((after?.total ?? 0) - (before?.total ?? 0)).toBeGreaterThan(
        size - (before?.total ?? 0) - 4 * MIB,
      );
      // A path that found no LUN in between looks again a second later.
      await until('all is well', async () => (await control.health()).state === 'good');
      await goOn();
    }
    // Into the new room, by a thread that has had the volume open all the time.
    const beyond = Buffer.alloc(MIB, 0x5a);
    for (let at = VOLUME; at < LARGE; at += MIB) await other.write(beyond, at, { fua: false });
    for (let at = VOLUME; at < LARGE; at += MIB) {
      const read = Buffer.alloc(MIB);
      await other.read(read, at);
      expect(read.equals(beyond)).toBe(true);
    }
    const grown = await control.resizeVolume({ opId: 'g', ref: volume.ref, size: 4 * VOLUME });
    expect(grown.size).toBe(4 * VOLUME);
    for (const load of loads) await load.finish();
    const larger = await threads[0]?.open(volume.locator, { write: true });
    expect(larger?.geometry.size).toBe(4 * VOLUME);
    await Promise.all([first, other, larger].map((device) => device?.close()));
  });
});
