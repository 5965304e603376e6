/** When the flush journal takes more space. */
import { describe, expect, test } from 'vitest';
import { JOURNAL_FILL_BYTES, JOURNAL_PIECE_BYTES } from '../../../../src/vdisk/journal/limits.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import { rig, user } from './journal-rig.ts';
import { record } from './records.ts';

describe('the flush journal', () => {
  test('gives its segments more space in a few large steps', async () => {
    const setup = await rig({ size: 64 * 2 ** 20 });
    const batches = 120;
    for (let sequence = 1; sequence <= batches; sequence += 1) {
      expect(await setup.append(user(), record(sequence, 256 * 1024 - 4096))).toBe(true);
    }
    await eventLoopTurns(20);
    const writes = setup.trace.filter(({ operation }) => operation === 'write');
    const zeroes = writes.filter(({ length }) => length === JOURNAL_PIECE_BYTES);
    // From 16 MiB, of which the rig has used a little, to 64 in each segment.
    expect(zeroes).toHaveLength(2 * 48);
    const syncs = setup.trace.filter(({ operation }) => operation === 'flush').length - batches;
    expect(syncs).toBe((2 * 48 * 2 ** 20) / JOURNAL_FILL_BYTES);
  });
});
