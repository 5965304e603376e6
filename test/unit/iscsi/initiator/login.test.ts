/** Logging in: what is proven, what is refused, and what a target must not do. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  discoverTargets,
  enforcesChap,
  type Portal,
  parsePortal,
  portalText,
  REAL_TIME,
} from '../../../../src/iscsi/index.ts';
import { OwnChallenges } from '../../../../src/iscsi/initiator/chap.ts';
import { encodeText } from '../../../../src/iscsi/wire/index.ts';
import type { IscsiTarget, Sent, TargetScript } from '../../../support/iscsi-target.ts';
import { benchOfTargets, INITIATOR, IQN } from './bench.ts';

const bench = benchOfTargets();
const CHAP = { user: 'us', password: 'our secret 12' };
const OUTGOING = { user: 'them', password: 'their secret 3' };
const MUTUAL = { ...CHAP, incoming: OUTGOING };
const portalOf = (target: IscsiTarget): Portal => parsePortal(target.portal) as Portal;

/** Changes login answers on their way out. */
function loginAnswers(change: (sent: Sent, count: number) => Sent): TargetScript {
  let count = 0;
  return {
    tamper: (sent) => {
      if (sent.pdu.kind !== 'login-response') return undefined;
      count += 1;
      return [change(sent, count)];
    },
  };
}

const withText = ({ pdu }: Sent, pairs: readonly (readonly [string, string])[]): Sent => {
  const data = encodeText(pairs);
  return { pdu: { ...pdu, dataLength: data.length }, data };
};

describe('CHAP', () => {
  it.each(['sha256 first', 'md5 only'])('proves who we are (%s)', async (which) => {
    const algorithms = which === 'md5 only' ? { algorithms: { '5': 'md5' } } : {};
    const target = await bench.target({ chap: CHAP, ...algorithms });
    await (await bench.open([target], { chap: CHAP })).close();
    expect(target.logins).toBe(1);
  });

  it('has the target prove itself', async () => {
    const target = await bench.target({ chap: { ...CHAP, outgoing: OUTGOING } });
    await (await bench.open([target], { chap: MUTUAL })).close();
  });

  it.each<[string, TargetScript, 'authentication' | 'target-authentication']>([
    [
      'we have the wrong secret',
      { chap: { ...CHAP, password: 'another secret' } },
      'authentication',
    ],
    ['the target gives no proof', { chap: CHAP }, 'target-authentication'],
    [
      'the target has the wrong secret',
      { chap: { ...CHAP, outgoing: { ...OUTGOING, password: 'another' } } },
      'target-authentication',
    ],
    [
      'the target has another name',
      { chap: { ...CHAP, outgoing: { ...OUTGOING, user: 'another' } } },
      'target-authentication',
    ],
    ['the target wants no authentication at all', {}, 'target-authentication'],
  ])('ends when %s', async (_, script, failure) => {
    const target = await bench.target(script);
    await expect(bench.open([target], { chap: MUTUAL })).rejects.toMatchObject({
      errno: 'EPERM',
      cause: { failure },
    });
    expect(target.logins).toBe(0);
  });

  it('is known to be missing when the target closes the connection without a word, as LIO does', async () => {
    const target = await bench.target({
      chap: CHAP,
      intercept: (pdu, data, connection) => {
        const none = pdu.kind === 'login-request' && data.includes('AuthMethod=None');
        if (none) connection.socket.destroy();
        return none;
      },
    });
    await expect(bench.open([target])).rejects.toMatchObject({
      errno: 'EPERM',
      cause: { failure: 'authentication' },
    });
    const options = { iqn: IQN, initiatorName: INITIATOR, chap: CHAP, timers: REAL_TIME };
    expect(await enforcesChap({ portals: [portalOf(target)], ...options })).toBe(true);
  });

  it('is not suspected where every login is left without an answer', async () => {
    const target = await bench.target({
      intercept: (_, __, connection) => {
        connection.socket.destroy();
        return true;
      },
    });
    await expect(bench.open([target])).rejects.toMatchObject({ cause: { failure: 'ended' } });
  });

  it('never answers a challenge of our own', async () => {
    // The target takes the challenge that we sent it on one connection and gives it to us on the next.
    let stolen: Buffer | undefined;
    const target = await bench.target({
      chap: { ...CHAP, outgoing: OUTGOING },
      challenge: () => stolen ?? Buffer.alloc(16, 1),
      intercept: (pdu, data) => {
        const found = /CHAP_C=0x([0-9a-f]+)/.exec(data.toString('latin1'));
        if (pdu.kind === 'login-request' && found?.[1] !== undefined)
          stolen = Buffer.from(found[1], 'hex');
        return false;
      },
    });
    const device = await bench.open([target], { chap: MUTUAL, patienceMs: 300 });
    target.cut();
    await expect(device.read(Buffer.alloc(512), 0)).rejects.toMatchObject({
      errno: 'ETIMEDOUT',
      cause: { failure: 'target-authentication' },
    });
    expect(target.logins).toBe(1);
  });

  it('never takes its own response as the proof of the target', async () => {
    const target = await bench.target({ chap: CHAP, algorithms: { '5': 'md5' } });
    let ours = '';
    target.script.intercept = (_, data) => {
      ours = /CHAP_R=(0x[0-9a-f]+)/.exec(data.toString('latin1'))?.[1] ?? ours;
      return false;
    };
    target.script.tamper = (sent) => {
      if (sent.pdu.kind !== 'login-response' || ours === '' || sent.pdu.status !== 0)
        return undefined;
      return [
        withText(sent, [
          ['CHAP_N', OUTGOING.user],
          ['CHAP_R', ours],
        ]),
      ];
    };
    await expect(bench.open([target], { chap: MUTUAL })).rejects.toMatchObject({
      cause: { failure: 'target-authentication' },
    });
  });

  it('says whether a target enforces it', async () => {
    const options = { iqn: IQN, initiatorName: INITIATOR, chap: CHAP, timers: REAL_TIME };
    const strict = await bench.target({ chap: CHAP });
    expect(await enforcesChap({ portals: [portalOf(strict)], ...options })).toBe(true);
    const open = await bench.target();
    expect(await enforcesChap({ portals: [portalOf(open)], ...options })).toBe(false);
  });

  it('remembers its own challenges, but not for ever', () => {
    const challenges = new OwnChallenges((bytes) =>
      createHash('shake128', { outputLength: bytes }).update(String(count++)).digest(),
    );
    let count = 0;
    const { challenge } = challenges.make();
    expect(challenges.has(challenge)).toBe(true);
    for (let more = 0; more < 256; more += 1) challenges.make();
    expect(challenges.has(challenge)).toBe(false);
  });
});

describe('a login', () => {
  it('goes where it is sent', async () => {
    const second = await bench.target();
    const data = encodeText([['TargetAddress', `${second.portal},1`]]);
    const first = await bench.target(
      loginAnswers(({ pdu }) => ({
        pdu: { ...pdu, status: 0x0101, dataLength: data.length } as typeof pdu,
        data,
      })),
    );
    const device = await bench.open([first]);
    expect([first.logins, second.logins]).toEqual([0, 1]);
    await device.close();
  });

  it('does not run in circles', async () => {
    const target = await bench.target();
    const data = encodeText([['TargetAddress', target.portal]]);
    Object.assign(
      target.script,
      loginAnswers(({ pdu }) => ({
        pdu: { ...pdu, status: 0x0102, dataLength: data.length } as typeof pdu,
        data,
      })),
    );
    await expect(bench.open([target])).rejects.toMatchObject({
      cause: { failure: 'redirect-loop' },
    });
  });

  it('understands an answer in pieces', async () => {
    const target = await bench.target();
    target.script.tamper = (sent) => {
      const { pdu, data } = sent;
      if (pdu.kind !== 'login-response' || pdu.currentStage !== 1 || data.length < 100)
        return undefined;
      rest = { pdu, data: data.subarray(50) };
      const first = data.subarray(0, 50);
      return [
        {
          pdu: { ...pdu, transit: false, more: true, nextStage: 0, tsih: 0, dataLength: 50 },
          data: first,
        },
      ];
    };
    let rest: Sent | undefined;
    target.script.intercept = (pdu, _, connection) => {
      if (pdu.kind !== 'login-request' || rest === undefined) return false;
      const { data } = rest;
      rest = undefined;
      const { pdu: _pdu, ...whole } = { pdu, ...connection.numbers(pdu.itt, data.length) };
      connection.send(
        {
          kind: 'login-response',
          ...{ transit: true, more: false, currentStage: 1, nextStage: 3, versionActive: 0 },
          ...{ isid: pdu.isid, tsih: 1, status: 0 },
          ...whole,
        },
        data,
      );
      return true;
    };
    await (await bench.open([target])).close();
  });

  it.each<[string, string, (sent: Sent, count: number) => Sent]>([
    ['text-pair', 'violation', (sent) => withText(sent, [['', 'x']])],
    [
      'text-key-twice',
      'violation',
      (sent) =>
        withText(sent, [
          ['AuthMethod', 'None'],
          ['AuthMethod', 'None'],
        ]),
    ],
    [
      'login-stage',
      'violation',
      ({ pdu, data }) => ({ pdu: { ...pdu, currentStage: 2 } as typeof pdu, data }),
    ],
    [
      'login-version',
      'violation',
      ({ pdu, data }) => ({ pdu: { ...pdu, versionActive: 9 } as typeof pdu, data }),
    ],
    ['login-tag', 'violation', ({ pdu, data }) => ({ pdu: { ...pdu, itt: 77 }, data })],
    [
      'login-endless',
      'violation',
      ({ pdu }) => ({
        pdu: { ...pdu, transit: false, nextStage: 0, dataLength: 0 } as typeof pdu,
        data: Buffer.alloc(0),
      }),
    ],
    [
      'login-next-stage',
      'violation',
      ({ pdu, data }) => ({ pdu: { ...pdu, nextStage: 2 } as typeof pdu, data }),
    ],
    ['AuthMethod', 'violation', (sent) => withText(sent, [['AuthMethod', 'SRP']])],
    [
      'stat-sn',
      'violation',
      ({ pdu, data }, count) => ({ pdu: { ...pdu, statSN: count * 5 }, data }),
    ],
    [
      'not now',
      'unavailable',
      ({ pdu, data }) => ({ pdu: { ...pdu, status: 0x0301 } as typeof pdu, data }),
    ],
    [
      'not allowed',
      'authorization',
      ({ pdu, data }) => ({ pdu: { ...pdu, status: 0x0202 } as typeof pdu, data }),
    ],
    [
      'no such target',
      'not-found',
      ({ pdu, data }) => ({ pdu: { ...pdu, status: 0x0203 } as typeof pdu, data }),
    ],
  ])('ends at %s', async (words, failure, change) => {
    const target = await bench.target(loginAnswers(change));
    await expect(bench.open([target])).rejects.toMatchObject({
      cause: { failure, message: expect.stringContaining(words) },
    });
  });

  it.each([
    ['HeaderDigest', 'CRC32C'],
    ['DataPDUInOrder', 'No'],
    ['ErrorRecoveryLevel', '2'],
    ['MaxRecvDataSegmentLength', '0'],
    ['MaxRecvDataSegmentLength', 'many'],
    ['MaxBurstLength', '16777215'],
    ['FirstBurstLength', '100'],
    ['InitialR2T', 'Maybe'],
    ['ImmediateData', ''],
  ])('ends at the answer %s=%s', async (key, value) => {
    const target = await bench.target({ keys: { [key]: value } });
    await expect(bench.open([target])).rejects.toMatchObject({
      cause: { failure: 'refused', message: expect.stringContaining(key) },
    });
  });

  it('ends when the target closes, and when there is none', async () => {
    const target = await bench.target({
      intercept: (_, __, connection) => connection.socket.destroy() !== undefined,
    });
    await expect(bench.open([target])).rejects.toMatchObject({ cause: { failure: 'ended' } });
    await target.stop();
    await expect(bench.open([target])).rejects.toMatchObject({
      errno: 'ETIMEDOUT',
      cause: { failure: 'unreachable' },
    });
  });
});

describe('discovery', () => {
  const targets = [
    ['TargetName', 'iqn.2026-01.test:a'],
    ['TargetAddress', '10.0.0.1:3260,1'],
    ['TargetAddress', '[fd00::1]:3261,2'],
    ['TargetName', 'iqn.2026-01.test:b'],
  ] as const;

  it.each([8192, 7])('finds targets and portals, in pieces of %i bytes', async (textPiece) => {
    const target = await bench.target({ targets, textPiece });
    const portal = portalOf(target);
    const found = await discoverTargets({ portal, initiatorName: INITIATOR, timers: REAL_TIME });
    expect(found).toEqual([
      { iqn: 'iqn.2026-01.test:a', portals: ['10.0.0.1:3260', '[fd00::1]:3261'] },
      { iqn: 'iqn.2026-01.test:b', portals: [target.portal] },
    ]);
  });

  it('authenticates itself', async () => {
    const target = await bench.target({ targets, chap: CHAP });
    const options = { portal: portalOf(target), initiatorName: INITIATOR, timers: REAL_TIME };
    expect(await discoverTargets({ ...options, chap: CHAP })).toHaveLength(2);
    await expect(discoverTargets(options)).rejects.toMatchObject({ failure: 'authentication' });
  });
});

describe('portals', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1:3260'],
    ['host:1', 'host:1'],
    ['[fe80::1%eth0]:5', '[fe80::1%eth0]:5'],
    ['host:3260,17', 'host:3260'],
  ])('%s', (text, expected) => {
    expect(portalText(parsePortal(text) as Portal)).toBe(expected);
  });

  it.each(['', 'a b', 'host:0', 'host:65536', '::1', 'http://x', 'host:'])('%s is none', (text) => {
    expect(parsePortal(text)).toBeUndefined();
  });
});
