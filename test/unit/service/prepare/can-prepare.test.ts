import { describe, expect, test } from 'vitest';
import {
  checkCanPrepare,
  type Host,
  QEMU_IMG,
} from '../../../../src/service/prepare/can-prepare.ts';

const ALL = 'Name:\tnode\nCapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\n';
const host = (more: Partial<Host> = {}): Host => ({
  ...{ uid: 0, has: () => true, status: () => ALL },
  ...more,
});

function refusal(more: Partial<Host>, programs = {}): unknown {
  try {
    checkCanPrepare(programs, host(more));
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('a host that can prepare images', () => {
  test('has root, and the programs', () => {
    expect(refusal({})).toBeUndefined();
    expect(refusal({ has: (name) => name !== 'qemu-img' })).toBeUndefined();
  });

  test.each([
    ['another user', { uid: 1000 }, 1000],
    ['no root at all', { uid: undefined }, null],
    [
      'root in a container that may not mount',
      { status: () => 'CapEff:\t00000000a80425fb\n' },
      'root without CAP_SYS_ADMIN',
    ],
  ])('is not one with %s', (_what, more, value) => {
    expect(refusal(more)).toMatchObject({
      code: 'PERMISSION_DENIED',
      details: { field: 'user', value, expected: expect.stringContaining('CAP_SYS_ADMIN') },
    });
  });

  test('is not one without a program: it is named, with its package', () => {
    const has = (name: string): boolean => name !== 'bwrap' && name !== 'qemu-img';
    expect(refusal({ has })).toMatchObject({
      code: 'TOOL_MISSING',
      details: { value: 'bwrap', expected: 'apt install bubblewrap' },
    });
    expect(refusal({ has }, QEMU_IMG)).toMatchObject({
      details: { value: 'bwrap, qemu-img', expected: 'apt install bubblewrap qemu-utils' },
    });
  });
});
