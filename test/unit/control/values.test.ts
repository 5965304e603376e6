import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseByteSize } from '../../../src/control/values/byte-size.ts';
import { parseKernelArguments } from '../../../src/control/values/kernel-arguments.ts';
import { parseMac } from '../../../src/control/values/mac-address.ts';
import { isName, parseName } from '../../../src/control/values/name.ts';
import { nameFromPattern, parseNamePattern } from '../../../src/control/values/name-pattern.ts';
import { parseQuota } from '../../../src/control/values/quota.ts';
import { Fault } from '../../../src/errors/index.ts';
import { SEED } from '../../support/seed.ts';

const seeded = { seed: SEED, numRuns: 300 };

/** The fault that `work` throws: every one has to name field, value and what is right. */
function faultOf(work: () => unknown): Fault {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

function expectInvalid(work: () => unknown, field: string, value: unknown): void {
  const { code, details } = faultOf(work);
  expect({ code, field: details.field, value: details.value }).toEqual({
    code: 'INVALID_INPUT',
    field,
    value,
  });
  expect(details.expected).toMatch(/\w/);
}

describe('names', () => {
  test.each(['a', '0', 'pc-1', 'debian_12.5', 'a'.repeat(63)])('%s is one', (name) => {
    expect(parseName(name, 'x')).toBe(name);
  });

  test.each(['', 'A', '-a', '.a', '_a', 'a b', 'a/b', '..', 'ä', 'a\n', 'a\0', 'a'.repeat(64)])(
    '%j is none',
    (name) => {
      expectInvalid(() => parseName(name, 'machine.name'), 'machine.name', name);
    },
  );

  test(`whatever is let in is plain in URLs and on command lines (seed ${SEED})`, () => {
    const mostlyNames = fc.stringMatching(/^[a-zA-Z0-9._/ -]{0,70}$/);
    fc.assert(
      fc.property(fc.oneof(mostlyNames, fc.string()), (text) => {
        if (!isName(text)) return;
        expect(encodeURIComponent(text)).toBe(text);
        expect(text).toMatch(/^[a-z0-9]/);
        expect(text.length).toBeLessThanOrEqual(63);
      }),
      seeded,
    );
  });
});

describe('MAC addresses', () => {
  test(`every usual spelling is the same address (seed ${SEED})`, () => {
    const unicast = fc
      .uint8Array({ minLength: 6, maxLength: 6 })
      .map((bytes) => bytes.map((byte, index) => (index === 0 ? byte & 0xfe : byte)))
      .filter((bytes) => bytes.some((byte) => byte !== 0));
    fc.assert(
      fc.property(unicast, fc.boolean(), (bytes, upper) => {
        const hex = Buffer.from(bytes).toString('hex');
        const pairs = hex.match(/../g) ?? [];
        const quads = hex.match(/..../g) ?? [];
        for (const spelling of [hex, pairs.join(':'), pairs.join('-'), quads.join('.')]) {
          const given = upper ? spelling.toUpperCase() : spelling;
          expect(parseMac(given, 'mac')).toBe(pairs.join(':'));
        }
      }),
      seeded,
    );
  });

  test.each([
    '',
    '52:54:00:12:34',
    '52:54:00:12:34:56:78',
    '52:54-00:12:34:56',
    '5254001234gg',
    '52:54:00:12:34:5',
    ' 525400123456',
    '525400123456\n',
    '00:00:00:00:00:00',
    'ff:ff:ff:ff:ff:ff',
    '01:00:5e:00:00:01',
  ])('%j is none', (mac) => {
    expectInvalid(() => parseMac(mac, 'machine.mac'), 'machine.mac', mac);
  });
});

describe('sizes', () => {
  test.each([
    ['0', 0],
    ['512', 512],
    ['512B', 512],
    ['64K', 65536],
    ['64k', 65536],
    ['64KiB', 65536],
    ['64KB', 65536],
    ['10GiB', 10 * 2 ** 30],
    ['10 GiB', 10 * 2 ** 30],
    ['2T', 2 ** 41],
    ['7P', 7 * 2 ** 50],
    [4096, 4096],
  ])('%j is %i bytes', (text, size) => {
    expect(parseByteSize(text, 'size')).toBe(size);
  });

  test.each([
    '',
    'K',
    '-1',
    '1.5G',
    '1e3',
    '0x10',
    '10 G B',
    '10EiB',
    '9007199254740992',
    '9P ',
    '99999999P',
    `${'1'.repeat(1000)}K`,
    -1,
    1.5,
    Number.NaN,
    2 ** 53,
  ])('%j is none', (size) => {
    expectInvalid(() => parseByteSize(size, 'machine.quota'), 'machine.quota', size);
  });

  test(`any text is a whole number of bytes or a fault (seed ${SEED})`, () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9]{1,18}[kKmMgGtTpP]?(i?[bB])?$/));
    fc.assert(
      fc.property(text, (given) => {
        try {
          const size = parseByteSize(given, 'size');
          expect(Number.isSafeInteger(size) && size >= 0).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      }),
      seeded,
    );
  });

  test('a quota holds at least one block', () => {
    expect(parseQuota(null, 'quota')).toBeUndefined();
    expect(parseQuota('4K', 'quota')).toBe(4096);
    expectInvalid(() => parseQuota('4095', 'quota'), 'quota', '4095');
    expectInvalid(() => parseQuota('2P', 'quota'), 'quota', '2P');
  });
});

describe('kernel arguments', () => {
  test('are trimmed and otherwise as they were', () => {
    expect(parseKernelArguments('  console=ttyS0,115200 quiet ', 'x')).toBe(
      'console=ttyS0,115200 quiet',
    );
    expect(parseKernelArguments('', 'x')).toBe('');
  });

  test.each([
    'quiet\nshell',
    'a || shell',
    'a && shell',
    '; shell',
    'quiet # rest',
    'x=$1',
    'x=\\\\n',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what iPXE would expand
    'x=${net0/mac}',
    'ä',
    'x'.repeat(1025),
  ])('%j would leave the command line', (text) => {
    expectInvalid(() => parseKernelArguments(text, 'a'), 'a', text);
  });
});

describe('name patterns', () => {
  test.each(['pc-{n}', '{n}', '{mac}', 'lab.{mac}'])('%s is one', (pattern) => {
    expect(parseNamePattern(pattern, 'p')).toBe(pattern);
  });

  test.each(['pc', 'pc-{n}-{n}', 'pc-{n}{mac}', 'PC-{n}', '-{n}', 'a{x}', `${'a'.repeat(60)}{n}`])(
    '%s is none',
    (pattern) => {
      expectInvalid(() => parseNamePattern(pattern, 'p'), 'p', pattern);
    },
  );

  test('give the lowest free number, or the address', () => {
    const taken = new Set(['pc-1', 'pc-2', 'pc-4']);
    const isTaken = (name: string): boolean => taken.has(name);
    expect(nameFromPattern('pc-{n}', '52:54:00:12:34:56', isTaken)).toBe('pc-3');
    expect(nameFromPattern('pc-{mac}', '52:54:00:12:34:56', isTaken)).toBe('pc-525400123456');
    expect(nameFromPattern('{mac}', '52:54:00:12:34:56', () => true)).toBeUndefined();
    expect(nameFromPattern('{n}', '52:54:00:12:34:56', () => true)).toBeUndefined();
  });
});
