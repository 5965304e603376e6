/**
 * Every way in which a target can break the protocol after login: the connection ends, whoever waits gets the right
 * data from the next one or an error, and nothing that the target should not write to is written.
 */
import { describe, expect, it } from 'vitest';
import { PLAIN } from '../../../../src/block/index.ts';
import type { IscsiDevice } from '../../../../src/iscsi/index.ts';
import type { DataIn, R2t, ScsiResponse, TargetPdu } from '../../../../src/iscsi/wire/index.ts';
import { NO_TAG } from '../../../../src/iscsi/wire/index.ts';
import type { Sent, TargetConnection, TargetScript } from '../../../support/iscsi-target.ts';
import { until } from '../../../support/until.ts';
import { benchOfTargets } from './bench.ts';

const bench = benchOfTargets();
const LENGTH = 20 * 1024;

type Change = (sent: Sent, connection: TargetConnection) => readonly Sent[] | undefined;

/** Breaks what is sent after the device is open, on the first connection only. */
async function opened(script: TargetScript = {}) {
  const target = await bench.target(script);
  target.disk.content.fill('what the disk holds ');
  const reasons: string[] = [];
  let opened: IscsiDevice | undefined;
  const device = await bench.open([target], {
    onPaths: () => {
      const reason = opened?.paths[0]?.reason;
      if (reason !== undefined && reasons.at(-1) !== reason) reasons.push(reason);
    },
  });
  opened = device;
  const misbehave = (change: Change): void => {
    const [bad] = target.connections;
    target.script.tamper = (sent, connection) =>
      connection === bad ? change(sent, connection) : undefined;
  };
  return { target, device, reasons, misbehave };
}

const only =
  <K extends TargetPdu['kind']>(
    kind: K,
    change: (pdu: Extract<TargetPdu, { kind: K }>, data: Buffer) => TargetPdu,
  ): Change =>
  ({ pdu, data }) =>
    pdu.kind === kind
      ? [{ pdu: change(pdu as Extract<TargetPdu, { kind: K }>, data), data }]
      : undefined;

const dataIn = (change: (pdu: DataIn) => Partial<DataIn>): Change =>
  only('data-in', (pdu) => ({ ...pdu, ...change(pdu) }));
const response = (change: Partial<ScsiResponse>): Change =>
  only('scsi-response', (pdu) => ({ ...pdu, ...change }));
const r2t = (change: (pdu: R2t) => Partial<R2t>): Change =>
  only('r2t', (pdu) => ({ ...pdu, ...change(pdu) }));

describe('a read survives a target that', () => {
  it.each<[string, string, Change]>([
    ['counts data wrong', 'data-in-sn', dataIn(({ dataSN }) => ({ dataSN: dataSN + 1 }))],
    [
      'sends data out of order',
      'data-in-order',
      dataIn(({ bufferOffset }) => ({ bufferOffset: bufferOffset + 512 })),
    ],
    [
      'sends data beyond what was asked for',
      'data-in-order',
      dataIn(() => ({ bufferOffset: 2 ** 31 })),
    ],
    [
      'answers a command that was never given',
      'data-in-tag',
      dataIn(({ itt }) => ({ itt: itt ^ 0x1000 })),
    ],
    [
      'leaves data out',
      'data-in-missing',
      ({ pdu }) =>
        pdu.kind === 'data-in' && pdu.dataSN === 4
          ? [{ pdu: { ...pdu, dataLength: 0 }, data: Buffer.alloc(0) }]
          : undefined,
    ],
    [
      'says status in the middle',
      'data-in-missing',
      dataIn(({ dataSN }) => (dataSN === 1 ? { hasStatus: true, final: true } : {})),
    ],
    [
      'says that less came than came',
      'data-in-missing',
      dataIn(({ hasStatus }) => (hasStatus ? { underflow: true, residual: 512 } : {})),
    ],
    [
      'says that more was left than asked for',
      'residual-beyond',
      dataIn(({ hasStatus }) => (hasStatus ? { underflow: true, residual: 2 ** 31 } : {})),
    ],
    [
      'says both too much and too little',
      'residual-both',
      dataIn(({ hasStatus }) => (hasStatus ? { underflow: true, overflow: true } : {})),
    ],
    [
      'numbers its answers wrong',
      'stat-sn',
      dataIn(({ hasStatus, statSN }) => (hasStatus ? { statSN: statSN + 1 } : {})),
    ],
    [
      'sends a segment that is longer than it may',
      'data-length',
      ({ pdu, data }) =>
        pdu.kind === 'data-in' ? [{ pdu: { ...pdu, dataLength: 300_000 }, data }] : undefined,
    ],
    [
      'answers twice',
      'data-in-tag',
      (sent) => (sent.pdu.kind === 'data-in' && sent.pdu.hasStatus ? [sent, sent] : undefined),
    ],
    [
      'asks for data of a read',
      'r2t-tag',
      ({ pdu }) =>
        pdu.kind === 'data-in'
          ? [
              {
                pdu: {
                  ...pdu,
                  kind: 'r2t',
                  dataLength: 0,
                  lun: { high: 0, low: 0 },
                  r2tSN: 0,
                  desiredLength: 512,
                },
                data: Buffer.alloc(0),
              },
            ]
          : undefined,
    ],
    [
      'sends a login response',
      'login-response in the full-feature phase',
      ({ pdu }) =>
        pdu.kind === 'data-in'
          ? [
              {
                pdu: {
                  ...pdu,
                  kind: 'login-response',
                  transit: true,
                  more: false,
                  currentStage: 1,
                  nextStage: 3,
                  versionActive: 0,
                  isid: { high: 0, low: 0 },
                  tsih: 1,
                  status: 0,
                  dataLength: 0,
                },
                data: Buffer.alloc(0),
              },
            ]
          : undefined,
    ],
    [
      'logs us out unasked',
      'logout-response-unasked',
      ({ pdu }) =>
        pdu.kind === 'data-in'
          ? [
              {
                pdu: {
                  kind: 'logout-response',
                  response: 0,
                  time2Wait: 0,
                  time2Retain: 0,
                  ...pick(pdu),
                },
                data: Buffer.alloc(0),
              },
            ]
          : undefined,
    ],
    [
      'answers task management that was never asked for',
      'task-management-tag',
      ({ pdu }) =>
        pdu.kind === 'data-in'
          ? [
              {
                pdu: { kind: 'task-management-response', response: 0, ...pick(pdu) },
                data: Buffer.alloc(0),
              },
            ]
          : undefined,
    ],
    [
      'answers a ping that was never sent',
      'nop-in-tag',
      ({ pdu }) =>
        pdu.kind === 'data-in'
          ? [
              {
                pdu: {
                  kind: 'nop-in',
                  lun: { high: 0, low: 0 },
                  ttt: NO_TAG,
                  ...pick(pdu),
                  itt: 5,
                },
                data: Buffer.alloc(0),
              },
            ]
          : undefined,
    ],
    [
      'drops the session',
      'drops the session',
      ({ pdu }) =>
        pdu.kind === 'data-in'
          ? [
              {
                pdu: {
                  kind: 'async-message',
                  lun: { high: 0, low: 0 },
                  event: 3,
                  vcode: 0,
                  parameter1: 0,
                  parameter2: 0,
                  parameter3: 0,
                  ...pick(pdu),
                },
                data: Buffer.alloc(0),
              },
            ]
          : undefined,
    ],
  ])('%s', async (_, violation, change) => {
    const { target, device, reasons, misbehave } = await opened();
    misbehave(change);
    const whole = Buffer.alloc(LENGTH + 1024, 0xee);
    await device.read(whole.subarray(512, 512 + LENGTH), 4096);
    expect(
      whole.subarray(512, 512 + LENGTH).equals(target.disk.content.subarray(4096, 4096 + LENGTH)),
    ).toBe(true);
    expect(whole.subarray(0, 512).equals(Buffer.alloc(512, 0xee))).toBe(true);
    expect(whole.subarray(512 + LENGTH).equals(Buffer.alloc(512, 0xee))).toBe(true);
    expect(reasons.join()).toContain(violation);
    await until('there is another connection', () => target.logins === 2);
  });
});

const pick = ({ itt, expCmdSN, maxCmdSN, statSN }: TargetPdu) =>
  ({ itt, expCmdSN, maxCmdSN, statSN, dataLength: 0 }) as const;

describe('a write survives a target that', () => {
  it.each<[string, string, Change]>([
    ['asks for more than there is', 'r2t-beyond', r2t(() => ({ desiredLength: 8192 }))],
    ['asks for more than a burst', 'r2t-length', r2t(() => ({ desiredLength: 2 ** 24 }))],
    ['asks for nothing', 'r2t-length', r2t(() => ({ desiredLength: 0 }))],
    [
      'asks for the same twice',
      'r2t-order',
      r2t(({ bufferOffset }) => ({ bufferOffset: bufferOffset - 512 })),
    ],
    ['counts its questions wrong', 'r2t-sn', r2t(({ r2tSN }) => ({ r2tSN: r2tSN + 3 }))],
    ['asks without a tag', 'r2t-transfer-tag', r2t(() => ({ ttt: NO_TAG }))],
    ['asks for data of no command', 'r2t-tag', r2t(({ itt }) => ({ itt: itt ^ 0x1000 }))],
    [
      'says done before it has the data',
      'data-out-missing',
      ({ pdu }) =>
        pdu.kind === 'r2t'
          ? [
              {
                pdu: {
                  kind: 'scsi-response',
                  response: 0,
                  status: 0,
                  expDataSN: 0,
                  overflow: false,
                  underflow: false,
                  residual: 0,
                  ...pick(pdu),
                },
                data: Buffer.alloc(0),
              },
            ]
          : undefined,
    ],
    [
      'sends data for a write',
      'data-in-unexpected',
      ({ pdu }) =>
        pdu.kind === 'r2t'
          ? [
              {
                pdu: {
                  kind: 'data-in',
                  final: true,
                  hasStatus: false,
                  status: 0,
                  overflow: false,
                  underflow: false,
                  residual: 0,
                  ttt: NO_TAG,
                  dataSN: 0,
                  bufferOffset: 0,
                  ...pick(pdu),
                  dataLength: 512,
                },
                data: Buffer.alloc(512),
              },
            ]
          : undefined,
    ],
    ['fails inside', 'response-target-failure', response({ response: 1 })],
    ['answers no command', 'scsi-response-tag', response({ itt: 3 })],
  ])('%s', async (_, violation, change) => {
    const { target, device, reasons, misbehave } = await opened({
      keys: { InitialR2T: 'Yes', MaxBurstLength: '8192', FirstBurstLength: '8192' },
    });
    misbehave(change);
    const source = Buffer.alloc(LENGTH, 'new ');
    await device.write(source, 8192, PLAIN);
    expect(target.disk.content.subarray(8192, 8192 + LENGTH).equals(source)).toBe(true);
    expect(reasons.join()).toContain(violation);
    expect(target.logins).toBe(2);
  });
});

describe('damage on the way', () => {
  it.each(['header', 'data'] as const)('of the %s is seen by its digest', async (what) => {
    const target = await bench.target();
    target.disk.content.fill(7);
    const device = await bench.open([target], { headerDigest: true, dataDigest: true });
    let damaged = 0;
    target.script.mangle = (bytes, pdu) => {
      if (pdu.kind !== 'data-in' || damaged > 0) return bytes;
      damaged += 1;
      const copy = Buffer.from(bytes);
      const at = what === 'header' ? 41 : 60;
      copy[at] = (copy[at] ?? 0) ^ 0x10;
      return copy;
    };
    const read = Buffer.alloc(LENGTH);
    await device.read(read, 0);
    expect(read.equals(Buffer.alloc(LENGTH, 7))).toBe(true);
    expect([damaged, target.logins]).toEqual([1, 2]);
  });

  it('of any byte of any answer ends in right data or another connection, never in an exception', async () => {
    for (let at = 0; at < 48; at += 1) {
      // A status or a length may be turned into something else that is allowed, and waits for its time.
      if (at === 1 || (at >= 3 && at <= 7)) continue;
      const { target, device } = await opened();
      let done = false;
      target.script.mangle = (bytes, pdu) => {
        if (pdu.kind !== 'data-in' || done) return bytes;
        done = true;
        const copy = Buffer.from(bytes);
        copy[at] = (copy[at] ?? 0) ^ 0xff;
        return copy;
      };
      const read = Buffer.alloc(1024);
      await device.read(read, 0);
      expect(read.equals(target.disk.content.subarray(0, 1024))).toBe(true);
    }
  });
});
