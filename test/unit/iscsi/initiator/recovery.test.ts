/** What is not a broken protocol, but life: busy targets, attentions, commands that take too long, paths that come and go. */
import { describe, expect, it } from 'vitest';
import { PLAIN } from '../../../../src/block/index.ts';
import type { IscsiDevice } from '../../../../src/iscsi/index.ts';
import { COMMAND_DOUBTS, RECHECK_MS } from '../../../../src/iscsi/initiator/limits.ts';
import type { IscsiTarget } from '../../../support/iscsi-target.ts';
import { until } from '../../../support/until.ts';
import { benchOfTargets, ManualTime } from './bench.ts';

const bench = benchOfTargets();
const OTHER_WWID = '600140500000000000000000000000bb';
const ATTENTION = (asc: number) => ({ status: 2, sense: (6 << 16) | asc });
const block = (fill: number) => Buffer.alloc(512, fill);

async function reads(device: IscsiDevice, offset = 0): Promise<number | undefined> {
  const target = Buffer.alloc(512);
  await device.read(target, offset);
  return target[0];
}

describe('a command is sent again', () => {
  it.each([
    ['the LUN was reset', ATTENTION(0x2900)],
    ['the target is busy', { status: 8 }],
    ['its queue is full', { status: 0x28 }],
    ['it was aborted', { status: 0x40 }],
    ['it was aborted for damage', { status: 2, sense: 0x0b4705 }],
    ['the LUN is becoming ready', { status: 2, sense: 0x020401 }],
    ['there is no such LUN for a moment', { status: 2, sense: 0x052500 }],
    ['another LUN, write protected, is there for a moment', { status: 2, sense: 0x072700 }],
    ['another LUN, a smaller one, is there for a moment', { status: 2, sense: 0x052100 }],
  ])('when %s', async (_, answer) => {
    const target = await bench.target();
    const device = await bench.open([target]);
    target.disk.pending.push(answer);
    await device.write(block(5), 1024, PLAIN);
    expect(target.disk.content[1024]).toBe(5);
    expect(target.logins).toBe(1);
  });

  it.each([
    ['EIO', 'medium error', 0x031100],
    ['EIO', 'hardware error', 0x044400],
    ['ENOSPC', 'space allocation', 0x072707],
    ['ENOTSUP', 'unknown command', 0x052000],
    ['EINVAL', 'invalid field', 0x052400],
  ])('but not at %s: %s', async (errno, _, sense) => {
    const target = await bench.target();
    const device = await bench.open([target]);
    target.disk.pending.push({ status: 2, sense });
    await expect(async () => device.write(block(5), 0, PLAIN)).rejects.toMatchObject({
      errno,
      operation: 'write',
    });
    target.disk.pending.push({ status: 0x18 });
    await expect(async () => device.write(block(5), 0, PLAIN)).rejects.toMatchObject({
      errno: 'EPERM',
    });
  });

  it.each([
    ['EROFS', 'write protected', 0x072700],
    ['ENOSPC', 'beyond the end', 0x052100],
  ])('and only when it stays so %s: %s', async (errno, _, sense) => {
    const target = await bench.target();
    const device = await bench.open([target]);
    target.disk.refusal = { status: 2, sense };
    target.disk.seen.length = 0;
    await expect(async () => device.write(block(5), 0, PLAIN)).rejects.toMatchObject({ errno });
    const looks = target.disk.seen.filter((op) => op === 'test-unit-ready');
    expect(looks).toHaveLength(COMMAND_DOUBTS);
    target.disk.refusal = undefined;
    await device.write(block(5), 0, PLAIN);
  });

  it('and is not believed when it is "recovered" without its data', async () => {
    const target = await bench.target();
    const device = await bench.open([target]);
    target.disk.pending.push({ status: 2, sense: 0x011700 });
    await expect(device.read(block(1), 0)).rejects.toMatchObject({ errno: 'EIO' });
    target.disk.pending.push({ status: 2, sense: 0x011700, data: block(6) });
    const read = block(1);
    await device.read(read, 0);
    expect(read.equals(block(6))).toBe(true);
  });

  it('but not for ever', async () => {
    const target = await bench.target();
    const device = await bench.open([target]);
    for (let times = 0; times < 17; times += 1) target.disk.pending.push({ status: 0x40 });
    await expect(device.read(block(0), 0)).rejects.toMatchObject({ errno: 'EIO' });
  });

  it('when the target rejects its PDU', async () => {
    const target = await bench.target();
    const device = await bench.open([target]);
    let rejected = false;
    target.script.intercept = (pdu, _, connection) => {
      if (pdu.kind !== 'scsi-command' || rejected) return false;
      rejected = true;
      connection.expCmdSN += 1;
      const header = Buffer.alloc(48);
      header[0] = 0x01;
      header.writeUInt32BE(pdu.itt, 16);
      const numbers = connection.numbers(0xffffffff, 48);
      connection.send({ kind: 'reject', reason: 4, ...numbers }, header);
      return true;
    };
    expect(await reads(device)).toBe(0);
    expect([rejected, target.logins]).toEqual([true, 1]);
  });
});

describe('paths', () => {
  it('are joined only when they lead to the same disk', async () => {
    const [first, other] = [await bench.target(), await bench.target({}, { wwid: OTHER_WWID })];
    const device = await bench.open([first, other]);
    await until('the other was seen', () => device.paths[1]?.state === 'other-disk');
    await device.write(block(1), 0, PLAIN);
    expect([first.disk.content[0], other.disk.content[0]]).toEqual([1, 0]);
    first.cut();
    await first.stop();
    await expect(device.read(block(0), 0)).rejects.toMatchObject({ errno: 'ESTALE' });
  });

  it('that lead to another disk for a moment, while the target names its LUNs, fail nothing', async () => {
    const time = new ManualTime();
    const target = await bench.target();
    const device = await bench.open([target], {}, time);
    const unnamed = { wwid: OTHER_WWID, serial: 'beaf11' };
    const named = target.disk.options;
    target.disk.options = { ...named, ...unnamed };
    target.disk.pending.push(ATTENTION(0x3f0e));
    const write = device.write(block(7), 0, PLAIN);
    await until('the other was seen', () => device.paths[0]?.state === 'other-disk');
    const read = reads(device); // comes while it is there
    target.disk.options = named;
    await until('it was looked at again', async () => {
      await time.pass(RECHECK_MS);
      return device.paths[0]?.up === true;
    });
    await write;
    expect(await read).toBe(7);
  });

  it('that lead to another disk again when they are looked at again, fail: nothing was written', async () => {
    const time = new ManualTime();
    const target = await bench.target();
    const device = await bench.open([target], {}, time);
    target.disk.options = { ...target.disk.options, wwid: OTHER_WWID };
    target.disk.pending.push(ATTENTION(0x3f0e));
    const write = Promise.allSettled([device.write(block(7), 0, PLAIN)]);
    await until('the other was seen', () => device.paths[0]?.state === 'other-disk');
    await time.pass(RECHECK_MS);
    expect(await write).toMatchObject([{ status: 'rejected', reason: { errno: 'ESTALE' } }]);
    await expect(reads(device)).rejects.toMatchObject({ errno: 'ESTALE' });
    expect(target.disk.content.every((byte) => byte === 0)).toBe(true);
  });

  it('are changed only after the LUN was reset, when a write may still be under way', async () => {
    const [first, second] = [await bench.target(), await bench.target()];
    const device = await bench.open([first, second]);
    await until('both are up', () => device.paths.every(({ up }) => up));
    const order: string[] = [];
    second.script.intercept = (pdu) => {
      if (pdu.kind === 'task-management-request') order.push(`reset ${pdu.fn}`);
      if (pdu.kind === 'scsi-command' && pdu.write) order.push('write');
      return false;
    };
    let taken: (() => void) | undefined;
    const swallowed = new Promise<void>((resolve) => {
      taken = resolve;
    });
    first.script.intercept = (pdu) => {
      if (pdu.kind !== 'scsi-command' || !pdu.write) return false;
      taken?.();
      return true; // has it, and says nothing
    };
    const write = device.write(block(3), 0, PLAIN);
    await swallowed;
    first.cut();
    await write;
    expect(order).toEqual(['reset 5', 'write']);
    expect(second.disk.content[0]).toBe(3);
  });

  it('are changed without one when nothing was being written', async () => {
    const [first, second] = [await bench.target(), await bench.target()];
    const device = await bench.open([first, second]);
    await until('both are up', () => device.paths.every(({ up }) => up));
    second.script.intercept = (pdu) => {
      if (pdu.kind === 'task-management-request') throw new Error('reset for nothing');
      return false;
    };
    await first.stop();
    expect(await reads(device)).toBe(0);
    expect(device.paths.map(({ active }) => active)).toEqual([false, true]);
  });

  it('leave when the target asks for it, once nothing is in flight', async () => {
    const target = await bench.target();
    const device = await bench.open([target]);
    const [connection] = target.connections;
    const none = { vcode: 0, parameter1: 0, parameter2: 0, parameter3: 3 };
    connection?.send({
      ...{ kind: 'async-message', lun: { high: 0, low: 0 }, event: 1 },
      ...none,
      ...connection.numbers(0xffffffff),
    });
    await until('it is back', () => target.logins === 2);
    expect(await reads(device)).toBe(0);
  });

  it('answer the pings of a target', async () => {
    const target = await bench.target();
    await bench.open([target]);
    const [connection] = target.connections;
    const answered = new Promise<number>((resolve) => {
      target.script.intercept = (pdu) => {
        if (pdu.kind === 'nop-out') resolve(pdu.ttt);
        return pdu.kind === 'nop-out';
      };
    });
    const lun = { high: 0, low: 0 };
    const numbers = connection?.numbers(0xffffffff);
    if (numbers !== undefined) connection?.send({ kind: 'nop-in', lun, ttt: 0x77, ...numbers });
    expect(await answered).toBe(0x77);
  });
});

describe('time', () => {
  /** Takes PDUs of some kinds on the connection that is there, the first one or all of them, and does not answer. */
  function swallow(
    target: IscsiTarget,
    kinds: readonly string[],
    log: string[],
    most = Number.POSITIVE_INFINITY,
  ): void {
    const [bad] = target.connections;
    let left = most;
    target.script.intercept = (pdu, _, connection) => {
      // Whether the LUN was reset is another question, which only who says nothing at all does not answer.
      if (pdu.kind === 'scsi-command' && !pdu.read && !pdu.write) {
        const saysNothing = connection === bad && kinds.includes('nop-out');
        if (saysNothing) connection.expCmdSN += 1;
        return saysNothing;
      }
      log.push(pdu.kind === 'task-management-request' ? `function ${pdu.fn}` : pdu.kind);
      if (connection !== bad || !kinds.includes(pdu.kind) || left === 0) return false;
      left -= 1;
      if (pdu.kind === 'scsi-command') connection.expCmdSN += 1;
      return true;
    };
  }

  it('ends a command that takes too long, and it is sent again on the same connection', async () => {
    const time = new ManualTime();
    const target = await bench.target();
    const device = await bench.open([target], {}, time);
    const log: string[] = [];
    swallow(target, ['scsi-command'], log, 1);
    const read = reads(device);
    await until('it was swallowed', () => log.includes('scsi-command'));
    await time.pass(29_000);
    expect(log).not.toContain('function 1');
    await time.pass(2_000);
    await until('it was aborted', () => log.includes('function 1'));
    expect(await read).toBe(0);
    expect(target.logins).toBe(1);
  });

  it('resets the LUN when the target will not abort, and drops the connection when it will not do that', async () => {
    const time = new ManualTime();
    const target = await bench.target();
    const device = await bench.open([target], {}, time);
    const log: string[] = [];
    swallow(target, ['scsi-command'], log, 2);
    const swallowing = target.script.intercept;
    let resets = 0;
    target.script.intercept = (pdu, data, connection) => {
      const done = swallowing?.(pdu, data, connection) === true;
      if (done || pdu.kind !== 'task-management-request') return done;
      if (pdu.fn === 5) resets += 1;
      // Aborts are refused; the first reset is done, the second refused.
      const response = pdu.fn === 5 && resets === 1 ? 0 : 5;
      const numbers = connection.numbers(pdu.itt);
      connection.send({ kind: 'task-management-response', response, ...numbers });
      return true;
    };
    const read = reads(device);
    await until('it was swallowed', () => log.length === 1);
    await time.pass(31_000);
    await until(
      'it was sent again',
      () => log.filter((what) => what === 'scsi-command').length === 2,
    );
    expect([resets, target.logins]).toEqual([1, 1]);
    await time.pass(31_000);
    await time.pass(100);
    expect(await read).toBe(0);
    expect([resets, target.logins]).toEqual([2, 2]);
  });

  it('ends a connection whose peer says nothing any more, and asks first', async () => {
    const time = new ManualTime();
    const target = await bench.target();
    const device = await bench.open([target], {}, time);
    const log: string[] = [];
    swallow(target, ['scsi-command', 'nop-out'], log);
    const read = reads(device);
    await until('it was swallowed', () => log.includes('scsi-command'));
    await time.pass(6_000);
    await until('it was asked', () => log.includes('nop-out'));
    expect(target.logins).toBe(1);
    await time.pass(6_000);
    await time.pass(100);
    await until('it is another connection', () => target.logins === 2);
    expect(await read).toBe(0);
  });

  it('leaves an idle peer alone that answers', async () => {
    const time = new ManualTime();
    const target = await bench.target();
    const device = await bench.open([target], {}, time);
    for (let minutes = 0; minutes < 20; minutes += 1) {
      await time.pass(3_000);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(await reads(device)).toBe(0);
    expect(target.logins).toBe(1);
  });

  it('is over for requests after the patience, and only then', async () => {
    const time = new ManualTime();
    const target = await bench.target();
    const device = await bench.open([target], { patienceMs: 60_000 }, time);
    await target.stop();
    await until('it is gone', () => device.paths[0]?.up === false);
    let failed: unknown;
    const read = device.read(block(0), 0).catch((error: unknown) => {
      failed = error;
    });
    await time.pass(59_000);
    expect(failed).toBeUndefined();
    await time.pass(2_000);
    await read;
    expect(failed).toMatchObject({ errno: 'ETIMEDOUT' });
    await expect(device.read(block(0), 0)).rejects.toMatchObject({ errno: 'ETIMEDOUT' });
  });
});
