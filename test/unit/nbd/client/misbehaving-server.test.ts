/** One test for every way in which a server can break the handshake: the connection ends, with the right name. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { OPT, REP } from '../../../conformance/nbd/values.ts';
import {
  greeting,
  honestHandshake,
  infoBlockSize,
  infoExport,
  optionReply,
  readOption,
  SIZE,
  u32,
  u64,
  type Wire,
} from '../../../support/nbd-fake-server.ts';
import { closeScriptedServer, connectTo } from './scripted-server.ts';

afterEach(closeScriptedServer);

/** A greeting as given, then whatever the test sends to GO. */
const afterGo =
  (...replies: Buffer[]) =>
  (wire: Wire) =>
    honestHandshake(wire, { style: 'simple', go: replies });

const sound = optionReply(OPT.GO, REP.INFO, infoExport(SIZE, 1));
const ack = optionReply(OPT.GO, REP.ACK);
const sizes = (minimum: number, preferred: number, maximum: number) =>
  afterGo(sound, optionReply(OPT.GO, REP.INFO, infoBlockSize(minimum, preferred, maximum)), ack);

describe('in the handshake', () => {
  test.each<[string, string, (wire: Wire) => Promise<void>]>([
    [
      'not NBD at all',
      'not-nbd',
      async (wire) => wire.send(Buffer.from('HTTP/1.1 400 Bad Request\r\n')),
    ],
    [
      'the oldstyle handshake',
      'oldstyle-server',
      async (wire) =>
        wire.send(greeting().subarray(0, 8), u64(0x00420281861253n), Buffer.alloc(136)),
    ],
    [
      'an unknown second magic',
      'unknown-style',
      async (wire) => wire.send(greeting().subarray(0, 8), u64(1), u32(0)),
    ],
    [
      'a wrong option reply magic',
      'option-reply-magic',
      afterGo(Buffer.concat([u64(7), sound.subarray(8)])),
    ],
    ['a reply to another option', 'option-reply-code', afterGo(optionReply(OPT.LIST, REP.ACK))],
    ['an ACK with data', 'option-reply-data', afterGo(optionReply(OPT.GO, REP.ACK, u32(1)))],
    ['an unknown reply type', 'option-reply-type', afterGo(optionReply(OPT.GO, 99))],
    [
      'a reply of 4 GiB',
      'option-reply-length',
      afterGo(Buffer.concat([ack.subarray(0, 16), u32(0xffffffff)])),
    ],
    ['GO without NBD_INFO_EXPORT', 'info-export-missing', afterGo(ack)],
    [
      'a short NBD_INFO_EXPORT',
      'option-reply-data',
      afterGo(optionReply(OPT.GO, REP.INFO, infoExport(1, 1).subarray(0, 11))),
    ],
    [
      'NBD_REP_SERVER to GO',
      'option-reply-unexpected',
      afterGo(optionReply(OPT.GO, REP.SERVER, u32(0)), sound, ack),
    ],
    [
      'a size of 2^63',
      'export-size',
      afterGo(optionReply(OPT.GO, REP.INFO, infoExport(2n ** 63n, 1)), ack),
    ],
    ['a minimum block of 0', 'block-size', sizes(0, 4096, 1 << 25)],
    ['a minimum block of 3', 'block-size', sizes(3, 4096, 1 << 25)],
    ['a minimum block of 128 KiB', 'block-size', sizes(1 << 17, 1 << 17, 1 << 25)],
    ['a preferred block below the minimum', 'block-size', sizes(4096, 512, 1 << 25)],
    ['a maximum below the preferred', 'block-size', sizes(1, 4096, 512)],
    [
      'endless replies',
      'option-reply-endless',
      afterGo(...Array.from({ length: 1100 }, () => sound)),
    ],
  ])('%s: %s', async (_what, violation, script) => {
    await expect(connectTo(script)).rejects.toMatchObject({ name: 'NbdViolation', violation });
  });

  test('two contexts with one id', async () => {
    const context = (name: string) =>
      optionReply(
        OPT.SET_META_CONTEXT,
        REP.META_CONTEXT,
        Buffer.concat([u32(5), Buffer.from(name)]),
      );
    const connecting = connectTo(async (wire) => {
      wire.send(greeting());
      await wire.read(4);
      for (;;) {
        const { option } = await readOption(wire);
        const contexts =
          option === OPT.SET_META_CONTEXT ? [context('base:a'), context('base:b')] : [];
        wire.send(...contexts, optionReply(option, REP.ACK));
      }
    });
    await expect(connecting).rejects.toMatchObject({ violation: 'context-duplicate' });
  });

  test('bytes in plain text behind the acknowledgement of STARTTLS', async () => {
    const script = async (wire: Wire) => {
      wire.send(greeting());
      await wire.read(4);
      const { option } = await readOption(wire);
      wire.send(optionReply(option, REP.ACK), optionReply(OPT.GO, REP.ACK));
      await wire.drain();
    };
    const connecting = connectTo(script, { tls: 'require' });
    await expect(connecting).rejects.toMatchObject({ violation: 'data-after-starttls' });
  });

  test.each([
    ['before the greeting', async () => {}],
    ['within the greeting', async (wire: Wire) => wire.send(greeting().subarray(0, 10))],
    [
      'instead of an answer',
      async (wire: Wire) => {
        wire.send(greeting());
        await wire.read(4);
      },
    ],
  ])('a server that closes %s is unavailable', async (_when, script) => {
    await expect(connectTo(script)).rejects.toMatchObject({ name: 'Fault', code: 'UNAVAILABLE' });
  });

  test('a server that says nothing is given up after the time limit', async () => {
    let expire: (() => void) | undefined;
    const timers = {
      now: () => 0,
      after: (_ms: number, action: () => void) => {
        expire = action;
        return () => {};
      },
    };
    const connecting = connectTo((wire) => wire.closed(), { timers });
    const refused = expect(connecting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await vi.waitFor(() => expect(expire).toBeDefined());
    expire?.();
    await refused;
  });
});
