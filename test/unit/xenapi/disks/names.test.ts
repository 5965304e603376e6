import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shortDescription } from '../../../../src/control/index.ts';
import {
  descriptionOf,
  freeName,
  labelOf,
  nameOfLabel,
  otherName,
} from '../../../../src/xenapi/disks/names.ts';
import { SEED } from '../../../support/seed.ts';

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const free = () => false;
let last = 0;
const newId = (): string => `id-${++last}`;

describe('names of labels', () => {
  it.each([
    ['disk', 'disk'],
    ['My Disk (old)', 'my-disk-old'],
    ['Café', 'cafe'],
    ['', 'disk'],
    ['日本', 'disk'],
    ['--x', 'x'],
    ['a/b\\c', 'a-b-c'],
    ['x'.repeat(200), 'x'.repeat(63)],
  ])('%j is called %s', (label, name) => {
    expect(nameOfLabel(label)).toBe(name);
  });

  it('are usable, and give the label back until they are changed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.boolean(), (label, taken) => {
        const name = taken ? otherName(label, free, newId) : freeName(label, free, newId);
        expect(name).toMatch(NAME);
        expect(labelOf(label, name)).toBe(label);
        expect(labelOf(label, `other-${name}`)).toBe(`other-${name}`);
        expect(labelOf(undefined, name)).toBe(name);
      }),
      { seed: SEED },
    );
  });

  it('are unlike those that are taken', () => {
    const taken = new Set<string>();
    for (let count = 0; count < 1000; count++) {
      const name = freeName('Disk', (one) => taken.has(one), newId);
      expect(taken.has(name)).toBe(false);
      taken.add(name);
    }
  });
});

describe('descriptions', () => {
  it('are given back whole until they are changed', () => {
    const long = 'x'.repeat(2_000);
    expect(shortDescription(long)).toHaveLength(500);
    expect(descriptionOf(long, shortDescription(long))).toBe(long);
    expect(descriptionOf(long, 'changed')).toBe('changed');
    expect(descriptionOf(undefined, 'rest')).toBe('rest');
  });
});
