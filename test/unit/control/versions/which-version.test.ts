import { describe, expect, test } from 'vitest';
import type { VersionRecord } from '../../../../src/control/catalog/records.ts';
import { productionVersion, whichVersion } from '../../../../src/control/versions/which-version.ts';

const NOW = 1_000;
const VDISK = { name: 'v', pinnedVersion: undefined };

type Spec = 'production' | 'later' | 'test' | 'maintenance' | 'private' | 'deleting';

/** Versions 1, 2, 3 … */
function versions(...specs: readonly Spec[]): readonly VersionRecord[] {
  return specs.map((spec, index): VersionRecord => {
    const facts = {
      ...{ id: `id-${index + 1}`, vdiskId: 'v', number: index + 1, parentNumber: undefined },
      ...{ description: '', format: 'raw', kernelArguments: '', createdAt: 0, size: 4096 },
      bootFiles: {
        ...{ kernel: undefined, initrd: undefined, rootPartition: '', rootFilesystem: undefined },
        ...{ initramfs: 'unknown' as const, given: false },
      },
    };
    if (spec === 'maintenance' || spec === 'private') {
      const isPrivate = spec === 'private';
      return { ...facts, state: 'maintenance', baseLayerId: 'l', isPrivate };
    }
    const state = spec === 'later' ? ('production' as const) : spec;
    const releaseAt = spec === 'later' ? NOW + 1 : undefined;
    const sealed = { layerId: `l${index}`, contentId: 'c', dataBytes: 0, sealedAt: 0 };
    return { ...facts, ...sealed, state, releaseAt };
  });
}

function choice(
  machineClass: 'production' | 'test' | 'maintenance',
  specs: readonly Spec[],
  over: { readonly pin?: number; readonly vdiskPin?: number; readonly now?: number } = {},
): string {
  const machine = { class: machineClass, pinnedVersion: over.pin };
  const vdisk = { ...VDISK, pinnedVersion: over.vdiskPin };
  const found = whichVersion(machine, vdisk, versions(...specs), over.now ?? NOW);
  switch (found.kind) {
    case 'open':
      return `writes ${found.version.number}`;
    case 'sealed':
      return `${found.version.number} by ${found.because}`;
    case 'none':
      return `none: ${found.reason}`;
  }
}

describe('a production machine boots', () => {
  test.each([
    ['the newest that is released', ['production', 'production'], {}, '2 by release'],
    ['not what is in test', ['production', 'test'], {}, '1 by release'],
    ['not what is released later', ['production', 'later'], {}, '1 by release'],
    [
      'what was released later, once it is later',
      ['production', 'later'],
      { now: NOW + 1 },
      '2 by release',
    ],
    ['not what is being written', ['production', 'maintenance'], {}, '1 by release'],
    ['not what is being deleted', ['production', 'deleting'], {}, '1 by release'],
    [
      'what the vDisk is pinned to',
      ['production', 'production'],
      { vdiskPin: 1 },
      '1 by vDisk pin',
    ],
    [
      'what it is pinned to, before that',
      ['production', 'production', 'test'],
      { vdiskPin: 1, pin: 3 },
      '3 by machine pin',
    ],
  ] as const)('%s', (_what, specs, over, expected) => {
    expect(choice('production', specs, over)).toBe(expected);
  });

  test('nothing, and is told why', () => {
    expect(choice('production', ['test'])).toBe('none: no version of vDisk v is in production');
    expect(choice('production', ['production'], { vdiskPin: 7 })).toMatch(
      /none: version 7 .*pinned/,
    );
    expect(choice('production', ['production', 'deleting'], { pin: 2 })).toMatch(/none: version 2/);
    expect(choice('production', ['production', 'maintenance'], { pin: 2 })).toMatch(
      /none: version 2/,
    );
  });
});

describe('a test machine boots', () => {
  test.each([
    ['the newest in test', ['production', 'test', 'test'], {}, '3 by test'],
    ['what is released later', ['production', 'later'], {}, '2 by test'],
    [
      'what production boots, when nothing is in test',
      ['production', 'production'],
      {},
      '2 by release',
    ],
    [
      'what is in test, though the vDisk is pinned',
      ['production', 'test'],
      { vdiskPin: 1 },
      '2 by test',
    ],
    ['not what is being written', ['production', 'maintenance'], {}, '1 by release'],
    ['not what was left behind', ['production', 'test', 'production'], {}, '3 by release'],
  ] as const)('%s', (_what, specs, over, expected) => {
    expect(choice('test', specs, over)).toBe(expected);
  });
});

describe('a maintenance machine', () => {
  test('writes what is in maintenance, and else is a test machine', () => {
    expect(choice('maintenance', ['production', 'test', 'maintenance'])).toBe('writes 3');
    expect(choice('maintenance', ['production', 'test'])).toBe('2 by test');
    expect(choice('maintenance', ['production', 'maintenance'], { pin: 1 })).toBe(
      '1 by machine pin',
    );
  });
});

test('a private version is for everybody who boots', () => {
  for (const machineClass of ['production', 'test', 'maintenance'] as const) {
    expect(choice(machineClass, ['production', 'private'], { pin: 1 })).toBe('writes 2');
  }
  // What is only looked at is what was there before.
  const looked = productionVersion(VDISK, versions('production', 'private'), NOW);
  expect(looked).toMatchObject({ kind: 'sealed', version: { number: 1 } });
});
