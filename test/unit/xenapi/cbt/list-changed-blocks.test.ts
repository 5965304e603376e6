import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { discardData, forgetChanges, untrackChanges } from '../../../../src/control/index.ts';
import { isMetadata, listChangedBlocks } from '../../../../src/xenapi/cbt/index.ts';
import { XenError } from '../../../../src/xenapi/xen-error.ts';
import { CALL } from '../../../support/volume-rig.ts';
import { TrackedRig } from '../../control/changes/tracked-rig.ts';

let it: TrackedRig;
beforeEach(async () => {
  it = await TrackedRig.open();
});
afterEach(() => it.close());

const list = (from: string, to: string): Promise<string> =>
  listChangedBlocks(it.control, { from, to }, CALL);

async function refusal(from: string, to: string): Promise<readonly string[]> {
  try {
    return [await list(from, to)];
  } catch (error) {
    if (error instanceof XenError) return error.description;
    throw error;
  }
}

const hex = (text: string): string => Buffer.from(text, 'base64').toString('hex');

describe('listed changed blocks', () => {
  test('are those of all steps between, whether data is gone or not', async () => {
    const first = await it.snapshot('first');
    await it.write(0);
    const second = await it.snapshot('second');
    await it.write(7);
    const third = await it.snapshot('third');
    const before = [await list(first, second), await list(first, third)];
    expect(before.map(hex)).toEqual(['80000000', '81000000']);
    await discardData(it.control, first, CALL);
    await discardData(it.control, second, CALL);
    expect([first, second, third].map((id) => isMetadata(it.control, id))).toEqual([
      ...[true, true, false],
    ]);
    expect([await list(first, second), await list(first, third)]).toEqual(before);
    expect(hex(await list(first, it.volumeId))).toBe('81000000');
    await forgetChanges(it.control, second, CALL);
    expect(await list(first, third)).toBe(before[1]);
  });

  test('are refused as sm refuses them', async () => {
    const first = await it.snapshot('first');
    const second = await it.snapshot('second');
    untrackChanges(it.control, it.volumeId);
    const third = await it.snapshot('third');
    await it.volume('other');
    for (const [from, to] of [
      [first, first],
      [second, first],
      [first, third],
      [third, second],
      [first, it.volumeId],
      [first, it.idOf('other')],
    ] as const) {
      const [code, status, message, ...more] = await refusal(from, to);
      expect([code, status, more]).toEqual(['SR_BACKEND_FAILURE_460', '', ['']]);
      expect(message).toMatch(/^Failed to calculate changed blocks for given VDIs\. \[/);
    }
  });
});
