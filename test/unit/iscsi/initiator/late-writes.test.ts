/** A write is done once, or again before it was acknowledged: never later, on top of a newer one. And nobody waits for ever. */
import { describe, expect, it } from 'vitest';
import { PLAIN } from '../../../../src/block/index.ts';
import { IscsiDataPort } from '../../../../src/iscsi/index.ts';
import type { IscsiTarget, TargetScript } from '../../../support/iscsi-target.ts';
import { until } from '../../../support/until.ts';
import { benchOfTargets, INITIATOR, IQN, ManualTime, QUIET } from './bench.ts';

const bench = benchOfTargets();
const block = (fill: number) => Buffer.alloc(512, fill);
const NOT_READY = { status: 2, sense: 0x020401 };
const ATTENTION = { status: 2, sense: 0x062900 };

/** Takes the first command of its kind on the target and says nothing. */
function swallowFirst(target: IscsiTarget, write: boolean): { taken: boolean } {
  const seen = { taken: false };
  target.script.intercept = (pdu, _, connection) => {
    if (pdu.kind !== 'scsi-command' || pdu.write !== write || seen.taken) return false;
    seen.taken = true;
    connection.expCmdSN += 1;
    return true;
  };
  return seen;
}

describe('a write that a LUN reset of another session has thrown away', () => {
  /** The LUN is reset when a first write is there, which is never answered. */
  async function afterReset(told: boolean, script: TargetScript = {}) {
    const time = new ManualTime();
    const target = await bench.target(script);
    const device = await bench.open([target], {}, time);
    const log: string[] = [];
    const held: (() => void)[] = [];
    target.script.intercept = (pdu, _, connection) => {
      if (pdu.kind === 'scsi-command' && pdu.write) {
        log.push('write');
        if (log.length > 1) return false;
        connection.expCmdSN += 1;
        if (told) target.disk.pending.push(ATTENTION);
        return true;
      }
      if (pdu.kind !== 'task-management-request') return false;
      log.push(`function ${pdu.fn}`);
      const answer = { kind: 'task-management-response', response: 1 } as const;
      held.push(() => connection.send({ ...answer, ...connection.numbers(pdu.itt) }));
      return true;
    };
    const old = device.write(block(3), 0, PLAIN) as Promise<void>;
    await until('it has the write', () => log.length === 1);
    return { time, target, device, log, held, old };
  }

  it('is sent again soon, when the target says that it is not there any more, and not before', async () => {
    const { time, target, device, log, held, old } = await afterReset(true);
    // Nothing else is sent: it finds out by asking.
    await time.pass(3_000);
    await until('it was aborted', () => held.length === 1);
    await time.pass(3_000);
    expect(log).toEqual(['write', 'function 1']);
    held[0]?.();
    await old;
    expect(log).toEqual(['write', 'function 1', 'write']);
    expect([target.disk.content[0], target.logins]).toEqual([3, 1]);
    await device.close();
  });

  it.each([
    ['not immediate, since LIO rejects those', {}, false],
    ['immediate, where the target takes no others', { window: 1 }, true],
  ])('is found out about by a question that is %s', async (_, script, immediate) => {
    const { time, target, held, old } = await afterReset(true, script);
    const swallows = target.script.intercept;
    const asked: boolean[] = [];
    target.script.intercept = (pdu, data, connection) => {
      if (pdu.kind === 'scsi-command' && !pdu.write) asked.push(pdu.immediate);
      return swallows?.(pdu, data, connection) === true;
    };
    await time.pass(3_000);
    await until('it was aborted', () => held.length === 1);
    held[0]?.();
    await old;
    expect(asked[0]).toBe(immediate);
  });

  it('is so too when another command is the first to hear of it, which is not aborted', async () => {
    const { time, target, device, log, held, old } = await afterReset(true);
    expect(await device.read(block(0), 512)).toBeUndefined();
    await time.pass(1_500);
    await until('it was aborted', () => held.length === 1);
    held[0]?.();
    await old;
    expect([log, target.disk.content[0]]).toEqual([['write', 'function 1', 'write'], 3]);
    await device.close();
  });

  it('but not one that only takes its time', async () => {
    const { time, target, device, log, held, old } = await afterReset(false);
    await time.pass(20_000);
    expect(log).toEqual(['write']);
    const probes = target.disk.seen.filter((op) => op === 'test-unit-ready').length;
    expect(probes).toBeGreaterThan(5);
    await time.pass(11_000);
    await until('it was aborted', () => held.length === 1);
    held[0]?.();
    await old;
    await device.close();
  });
});

describe('a write', () => {
  it.each([
    ['done', 0],
    ['for a command that does not exist', 1],
    ['refused, and the LUN reset', 5],
  ])(
    'that is answered while it is being aborted is not sent again (abort %s)',
    async (_, response) => {
      const time = new ManualTime();
      const target = await bench.target();
      const device = await bench.open([target], {}, time);
      let tag: number | undefined;
      let [writes, functions] = [0, 0];
      target.script.intercept = (pdu, data, connection) => {
        if (pdu.kind === 'scsi-command' && pdu.write) {
          writes += 1;
          if (tag !== undefined) return false;
          tag = pdu.itt;
          connection.expCmdSN += 1;
          data.copy(target.disk.content, 0);
          return true;
        }
        if (pdu.kind !== 'task-management-request') return false;
        functions += 1;
        const rest = { overflow: false, underflow: false, residual: 0, expDataSN: 0 };
        if (functions === 1) {
          const answer = { kind: 'scsi-response', response: 0, status: 0 } as const;
          connection.send({ ...answer, ...rest, ...connection.numbers(tag ?? 0) });
        }
        connection.send({
          kind: 'task-management-response',
          response: pdu.fn === 1 ? response : 0,
          ...connection.numbers(pdu.itt),
        });
        return true;
      };
      const old = device.write(block(3), 0, PLAIN);
      await until('it has the write', () => tag !== undefined);
      await time.pass(31_000);
      await old;
      await device.write(block(4), 0, PLAIN);
      await device.read(block(0), 0); // whatever else was sent came before this
      expect([writes, target.disk.content[0], target.logins]).toEqual([2, 4, 1]);
      await device.close();
    },
  );

  it('of a path that was left for a better one is not sent again before the LUN was reset', async () => {
    const time = new ManualTime();
    const [first, second] = [await bench.target(), await bench.target()];
    first.disk.pending.push(NOT_READY);
    const device = await bench.open([first, second], {}, time);
    expect(device.paths.map(({ active }) => active)).toEqual([false, true]);
    const order: string[] = [];
    first.script.intercept = (pdu) => {
      if (pdu.kind === 'task-management-request') order.push(`reset ${pdu.fn}`);
      if (pdu.kind === 'scsi-command' && pdu.write) order.push('write');
      return false;
    };
    const seen = swallowFirst(second, true);
    const write = device.write(block(3), 0, PLAIN);
    await until('it has the write', () => seen.taken);
    await time.pass(1_100);
    await until('the better one is back', () => device.paths[0]?.active === true);
    expect(order).toEqual([]);
    second.cut();
    await write;
    expect(order).toEqual(['reset 5', 'write']);
    expect(first.disk.content[0]).toBe(3);
  });
});

describe('a look at the LUN', () => {
  it('whose question is never answered is taken again', async () => {
    const time = new ManualTime();
    const target = await bench.target();
    const device = await bench.open([target], {}, time);
    target.disk.pending.push(ATTENTION);
    const write = device.write(block(7), 0, PLAIN);
    await write;
    const seen = swallowFirst(target, false);
    target.disk.pending.push(ATTENTION);
    const again = device.write(block(8), 0, PLAIN);
    await until('the question was swallowed', () => seen.taken);
    await time.pass(31_000);
    await time.pass(2_000);
    await again;
    expect([target.disk.content[0], target.logins]).toEqual([8, 1]);
  });

  it('whose question is never answered fails the opening', async () => {
    const time = new ManualTime();
    const target = await bench.target();
    const seen = swallowFirst(target, false);
    const opening = bench.open([target], {}, time).catch((error: unknown) => error);
    await until('the question was swallowed', () => seen.taken);
    await time.pass(31_000);
    expect(await opening).toMatchObject({ errno: 'ETIMEDOUT', operation: 'open' });
  });
});

describe('a port that is closed', () => {
  it.each(['login-request', 'scsi-command'])('ends an opening that waits at a %s', async (kind) => {
    let waits = false;
    const target = await bench.target({
      intercept: (pdu) => {
        if (pdu.kind === kind) waits = true;
        return waits && pdu.kind !== 'logout-request';
      },
    });
    const time = new ManualTime();
    const port = new IscsiDataPort({ log: QUIET, timers: time });
    const request = { portals: [target.portal], iqn: IQN, lun: 1, initiatorName: INITIATOR };
    const opening = port.open({ ...request, write: true }).catch((error: unknown) => error);
    await until('it waits', () => waits);
    const closed = port.close();
    await time.pass(40_000);
    await closed;
    expect(await opening).toMatchObject({ operation: 'open' });
  });
});
