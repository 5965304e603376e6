/** BLOCK_STATUS with base:allocation, in structured replies and in extended headers. */
import { must, mustEqual } from '../raw.ts';
import { statusOf } from '../reply.ts';
import { type Case, needs, needsStyle, pattern } from '../suite.ts';
import { CMD, CMD_FLAG, ERR, FLAG, MEBIBYTE, STATE } from '../values.ts';

/** Longest effect of a compact request, in whole blocks. */
const COMPACT = 2 ** 32 - 65_536;

export const blockStatusCases: readonly Case[] = (['structured', 'extended'] as const).flatMap(
  (style): Case[] => {
    const skip = needs.all(needsStyle(style), needs.allocation);
    return [
      {
        id: `${style}-status`,
        level: 'MUST',
        section: 'Request types',
        quote:
          'A successful block status request MUST have exactly one status chunk per negotiated metadata context ID … the server MUST return at least one status descriptor',
        skip,
        run: async (lab) => {
          const { session, id } = await lab.allocation(style);
          const length = style === 'extended' ? lab.facts.size : Math.min(lab.facts.size, COMPACT);
          const request = { type: CMD.BLOCK_STATUS, offset: 0, length };
          const status = statusOf(request, await session.call(request));
          mustEqual([...status.keys()].join(), String(id), 'context ids');
        },
      },
      {
        id: `${style}-status-walk`,
        level: 'MUST',
        section: 'Request types',
        quote:
          'since each status descriptor has a non-zero length, a client can always make progress; The server MUST use descriptor lengths that are an integer multiple of any advertised minimum block size; remainder of the flags reserved, SHOULD be zero',
        skip,
        run: async (lab) => {
          const { session, id } = await lab.allocation(style);
          const { size, minimumBlock } = lab.facts;
          // Of a very large export the last part is enough.
          let offset = Math.max(0, size - 256 * MEBIBYTE);
          for (let steps = 0; offset < size; steps += 1) {
            must(steps < 100_000, 'no end');
            const request = {
              type: CMD.BLOCK_STATUS,
              offset,
              length: Math.min(size - offset, MEBIBYTE),
            };
            for (const extent of statusOf(request, await session.call(request)).get(id)!) {
              mustEqual(extent.length % minimumBlock, 0, 'extent modulo minimum block');
              must(extent.status <= 3n, `reserved status bits 0x${extent.status.toString(16)}`);
              offset += extent.length;
            }
          }
          mustEqual(offset, size, 'end of the extents');
        },
      },
      {
        id: `${style}-status-req-one`,
        level: 'MUST',
        section: 'Command flags',
        quote:
          'NBD_CMD_FLAG_REQ_ONE: the server MUST NOT send metadata on more than one extent in the reply … that descriptor MUST NOT exceed the length of the original request',
        skip: needs.all(skip as never, needs.writable),
        run: async (lab) => {
          const { session } = await lab.allocation(style);
          await session.call({ type: CMD.WRITE, offset: 65_536, payload: pattern(65_536, 1) });
          for (const [offset, length] of [
            [0, MEBIBYTE],
            [65_536, 4096],
            [4096, 65_536],
          ] as const) {
            const flags = CMD_FLAG.REQ_ONE;
            const request = { type: CMD.BLOCK_STATUS, flags, offset, length };
            statusOf(request, await session.call(request)); // checks REQ_ONE
          }
        },
      },
      {
        id: `${style}-status-truthful`,
        level: 'MUST',
        section: 'base:allocation metadata context',
        quote: 'NBD_STATE_ZERO (bit 1): if set, the block contents read as all zeroes',
        skip: needs.all(skip as never, needs.writable),
        run: async (lab) => {
          const { session, id } = await lab.allocation(style);
          if (lab.has(FLAG.SEND_WRITE_ZEROES)) {
            await session.call({ type: CMD.WRITE_ZEROES, offset: 0, length: MEBIBYTE });
          }
          await session.call({ type: CMD.WRITE, offset: 262_144, payload: pattern(65_536, 1) });
          let offset = 262_144;
          while (offset < 327_680) {
            const request = { type: CMD.BLOCK_STATUS, offset, length: 327_680 - offset };
            for (const extent of statusOf(request, await session.call(request)).get(id)!) {
              if (offset < 327_680) {
                must((Number(extent.status) & STATE.ZERO) === 0, `data at ${offset} called zero`);
                must((Number(extent.status) & STATE.HOLE) === 0, `data at ${offset} called a hole`);
              }
              offset += extent.length;
            }
          }
        },
      },
      {
        id: `${style}-status-no-hole`,
        level: 'MUST',
        section: 'Request types',
        quote:
          'the client MAY set the command flag NBD_CMD_FLAG_NO_HOLE to inform the server that the area MUST be fully provisioned',
        skip: needs.all(skip as never, needs.flag(FLAG.SEND_WRITE_ZEROES, 'SEND_WRITE_ZEROES')),
        run: async (lab) => {
          const { session, id } = await lab.allocation(style);
          await session.call({ type: CMD.WRITE_ZEROES, offset: 0, length: MEBIBYTE });
          const flags = CMD_FLAG.NO_HOLE;
          await session.call({ type: CMD.WRITE_ZEROES, flags, offset: 131_072, length: 65_536 });
          const request = { type: CMD.BLOCK_STATUS, offset: 131_072, length: 65_536 };
          const extents = statusOf(request, await session.call(request)).get(id)!;
          must((Number(extents[0]!.status) & STATE.HOLE) === 0, 'a hole in spite of NO_HOLE');
        },
      },
      {
        id: `${style}-status-out-of-bounds`,
        level: 'SHOULD',
        section: 'Request types',
        quote:
          'The server SHOULD return NBD_EINVAL if it receives a NBD_CMD_BLOCK_STATUS request with an effect length exceeding the size of the export',
        skip,
        run: async (lab) => {
          const { session } = await lab.allocation(style);
          const { size } = lab.facts;
          for (const [offset, length] of [
            [BigInt(Math.max(0, size - MEBIBYTE)), 2 * MEBIBYTE],
            [BigInt(size), 4096],
            [2n ** 63n, 4096],
          ] as const) {
            const reply = await session.call({ type: CMD.BLOCK_STATUS, offset, length });
            mustEqual(reply.error, ERR.EINVAL, `error at ${offset}`);
          }
          await session.call({ type: CMD.BLOCK_STATUS, offset: 0, length: 0 });
          await lab.alive(session);
        },
      },
      {
        id: `${style}-status-flags`,
        level: 'SHOULD',
        section: 'Error values',
        quote:
          'SHOULD return NBD_EINVAL if it receives a request with a flag not explicitly documented as applicable to the given request',
        skip,
        run: async (lab) => {
          const { session } = await lab.allocation(style);
          for (const flags of [CMD_FLAG.NO_HOLE, CMD_FLAG.DF, CMD_FLAG.FAST_ZERO, 1 << 11]) {
            const reply = await session.call({ type: CMD.BLOCK_STATUS, flags, length: 65_536 });
            mustEqual(reply.error, ERR.EINVAL, `error with flags ${flags}`);
          }
          if (lab.has(FLAG.SEND_FUA)) {
            const flags = CMD_FLAG.FUA;
            const reply = await session.call({ type: CMD.BLOCK_STATUS, flags, length: 65_536 });
            mustEqual(reply.error, 0, 'error with FUA');
          }
        },
      },
      {
        id: `${style}-status-not-negotiated`,
        level: 'SHOULD',
        section: 'Metadata querying',
        quote:
          'Servers SHOULD reply with NBD_EINVAL to clients sending NBD_CMD_BLOCK_STATUS without selecting at least one metadata context',
        skip: needsStyle(style),
        run: async (lab) => {
          const session = await lab.transmission(style);
          const reply = await session.call({ type: CMD.BLOCK_STATUS, length: 65_536 });
          mustEqual(reply.error, ERR.EINVAL, 'error');
          await lab.alive(session);
        },
      },
    ];
  },
);
