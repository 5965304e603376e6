import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  addCollection,
  addMachine,
  clearPersonality,
  deleteCollection,
  deleteMachine,
  personalityOf,
  personalityText,
  replacePersonality,
  showPersonality,
  updateMachine,
  updateMachines,
  updatePersonality,
} from '../../../src/control/index.ts';
import { MAX_PERSONALITY_BYTES } from '../../../src/control/limits.ts';
import { formatPersonality, variableName } from '../../../src/control/values/personality.ts';
import { SEED } from '../../support/seed.ts';
import { type FakeService, fakeService, kinds, withVdisk } from './support/fake-service.ts';

const MAC = '52:54:00:00:00:01';
const PC = { kind: 'machine', name: 'pc-1' } as const;
const LAB = { kind: 'collection', name: 'lab' } as const;

let service: FakeService;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service);
  addCollection(service.control, { name: 'lab', vdisk: 'debian' });
  addMachine(service.control, { name: 'pc-1', mac: MAC, collection: 'lab' });
});

const handed = (): Record<string, string> | undefined => {
  const values = personalityOf(service.control, MAC);
  return values === undefined ? undefined : Object.fromEntries(values);
};
const refused = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe('personality data', () => {
  test("is the collection's, and the machine's own, which wins", () => {
    updatePersonality(service.control, LAB, { set: { role: 'kiosk', printer: 'p1' } });
    updatePersonality(service.control, PC, { set: { printer: 'p2', seat: '4' } });
    expect(handed()).toEqual({ printer: 'p2', role: 'kiosk', seat: '4' });
    expect(showPersonality(service.control, PC)).toEqual({
      values: { printer: 'p2', seat: '4' },
      inherited: { role: 'kiosk' },
      bytes: 'printerp2seat4rolekiosk'.length,
      bytesMax: 65_536,
    });
    expect(showPersonality(service.control, LAB)).toMatchObject({ inherited: {} });
    expect(service.told.at(-1)).toMatchObject({
      kind: 'machine.personality-changed',
      subject: 'machine/pc-1',
      message: 'personality data of machine pc-1: printer, seat set',
      data: { set: 2, removed: 0 },
    });
  });

  test('is changed a name at a time, replaced, and cleared', () => {
    replacePersonality(service.control, PC, { values: { a: '1', b: '2', c: '3' } });
    updatePersonality(service.control, PC, { set: { b: '' }, unset: ['c', 'not-there'] });
    expect(handed()).toEqual({ a: '1', b: '' });
    expect(service.told.at(-1)?.message).toMatch(/: b set; c removed$/);
    const told = service.told.length;
    replacePersonality(service.control, PC, { values: { a: '1', b: '' } }); // the same
    expect(service.told).toHaveLength(told);
    replacePersonality(service.control, PC, { values: { d: '4' } });
    expect(handed()).toEqual({ d: '4' });
    clearPersonality(service.control, PC);
    expect(handed()).toEqual({});
    expect(kinds(service).at(-1)).toBe('machine.personality-changed');
  });

  test('goes with its owner', async () => {
    updatePersonality(service.control, PC, { set: { a: '1' } });
    updatePersonality(service.control, LAB, { set: { b: '1' } });
    const { machines, collections, personality } = service.control.catalog;
    const ids = [machines.byName('pc-1')?.id ?? '', collections.byName('lab')?.id ?? ''];
    await deleteMachine(service.control, 'pc-1');
    deleteCollection(service.control, 'lab');
    expect(ids.map((id) => personality.of(id).size)).toEqual([0, 0]);
  });

  test('is handed to enabled machines only, by any spelling of their address', async () => {
    updatePersonality(service.control, PC, { set: { a: '1' } });
    expect(personalityText(service.control, '52-54-00-00-00-01', 'json')).toBe('{"a":"1"}\n');
    expect(personalityText(service.control, MAC, 'env')).toBe("ROOTCAST_a='1'\n");
    expect(personalityOf(service.control, '525400000099')).toBeUndefined();
    expect(() => personalityOf(service.control, 'pc-1')).toThrow(refused('INVALID_INPUT', 'mac'));
    await updateMachine(service.control, 'pc-1', { enabled: false });
    expect(personalityText(service.control, MAC, 'json')).toBeUndefined();
  });

  test.each([
    ['', 'x'],
    ['a b', 'x'],
    ['ü', 'x'],
    ["a'", 'x'],
    ['a=b', 'x'],
    ['a'.repeat(65), 'x'],
    ['a', 'nul \0'],
    ['a', 'half a pair \ud800'],
  ])('%j=%j is refused, with what came with it', (name, value) => {
    expect(() =>
      updatePersonality(service.control, PC, { set: { ok: '1', [name]: value } }),
    ).toThrow(refused('INVALID_INPUT', ''));
    expect(handed()).toEqual({});
    expect(() => updatePersonality(service.control, PC, { unset: ['a b'] })).toThrow(
      refused('INVALID_INPUT', ''),
    );
    expect(() => showPersonality(service.control, { kind: 'machine', name: 'no' })).toThrow(
      refused('NOT_FOUND', 'no machine no'),
    );
  });

  test('of names that would be the same variable is refused, wherever they come from', async () => {
    updatePersonality(service.control, LAB, { set: { 'a.b': '1' } });
    const same = refused('INVALID_INPUT', 'are the same variable');
    expect(() => updatePersonality(service.control, LAB, { set: { a_b: '1' } })).toThrow(same);
    expect(() => updatePersonality(service.control, PC, { set: { 'a-b': '1' } })).toThrow(same);
    updatePersonality(service.control, PC, { set: { 'a.b': '2', 'c-d': '3' } });
    expect(() => updatePersonality(service.control, LAB, { set: { 'c.d': '1' } })).toThrow(
      refused('INVALID_INPUT', 'machine pc-1'),
    );
    addCollection(service.control, { name: 'hall', vdisk: 'debian' });
    updatePersonality(service.control, { kind: 'collection', name: 'hall' }, { set: { c_d: '' } });
    await expect(updateMachine(service.control, 'pc-1', { collection: 'hall' })).rejects.toEqual(
      same,
    );
  });
});

describe('64 KiB a machine', () => {
  const most = (name: string): Record<string, string> => ({
    [name]: 'x'.repeat(MAX_PERSONALITY_BYTES - name.length),
  });
  const tooMuch = (owner: string) =>
    refused('LIMIT_EXCEEDED', `${owner} would have ${MAX_PERSONALITY_BYTES + 1} bytes`);

  test('are counted in UTF-8, names and values, to the byte', () => {
    updatePersonality(service.control, PC, { set: most('a') });
    expect(showPersonality(service.control, PC).bytes).toBe(MAX_PERSONALITY_BYTES);
    expect(() => updatePersonality(service.control, PC, { set: { b: '' } })).toThrow(
      tooMuch('machine pc-1'),
    );
    const half = 'ü'.repeat(MAX_PERSONALITY_BYTES / 2);
    expect(() => replacePersonality(service.control, PC, { values: { a: half } })).toThrow(
      tooMuch('machine pc-1'),
    );
    expect(() =>
      updatePersonality(service.control, PC, { set: { a: `${most('a')['a']}xx` } }),
    ).toThrow(refused('LIMIT_EXCEEDED', 'too long'));
    expect(Object.keys(handed() ?? {})).toEqual(['a']);
  });

  test("hold for what is its own and its collection's together, and only once for one name", () => {
    updatePersonality(service.control, LAB, { set: most('a') });
    updatePersonality(service.control, PC, { set: most('a') });
    expect(showPersonality(service.control, PC).bytes).toBe(MAX_PERSONALITY_BYTES);
    expect(() => updatePersonality(service.control, PC, { set: { b: '' } })).toThrow(
      tooMuch('machine pc-1'),
    );
    updatePersonality(service.control, PC, { set: { a: '', b: '' } });
  });

  test('hold also when the collection grows: the machine is named', () => {
    addMachine(service.control, { name: 'pc-2', mac: '525400000002', collection: 'lab' });
    addMachine(service.control, { name: 'pc-3', mac: '525400000003', collection: 'lab' });
    updatePersonality(service.control, { ...PC, name: 'pc-3' }, { set: { b: '' } });
    updatePersonality(service.control, PC, { set: { a: 'y' } }); // covers the collection's
    expect(() => updatePersonality(service.control, LAB, { set: most('a') })).toThrow(
      tooMuch('machine pc-3'),
    );
    expect(handed()).toEqual({ a: 'y' });
    updatePersonality(service.control, { ...PC, name: 'pc-3' }, { unset: ['b'] });
    updatePersonality(service.control, LAB, { set: most('a') });
    expect(() => updatePersonality(service.control, LAB, { set: { b: '' } })).toThrow(
      tooMuch('collection lab'),
    );
  });

  test('hold also when machines move into another collection: all or none', async () => {
    addMachine(service.control, { name: 'pc-2', mac: '525400000002', collection: 'lab' });
    addCollection(service.control, { name: 'hall', vdisk: 'debian' });
    updatePersonality(service.control, { kind: 'collection', name: 'hall' }, { set: most('a') });
    updatePersonality(service.control, { ...PC, name: 'pc-2' }, { set: { b: '' } });
    const move = { collection: 'lab', change: { collection: 'hall' } };
    await expect(updateMachines(service.control, move)).rejects.toEqual(tooMuch('machine pc-2'));
    expect(service.control.catalog.machines.byName('pc-1')?.collectionId).toBe(
      service.control.catalog.collections.byName('lab')?.id,
    );
  });
});

describe('as lines for a shell', () => {
  test('a name is a variable that nobody else has', () => {
    expect(variableName('PATH')).toBe('ROOTCAST_PATH');
    expect(variableName('1.a-B_c')).toBe('ROOTCAST_1_a_B_c');
  });

  test('any value is read back as it was by sh', () => {
    const value = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 30 }),
      fc.string({
        unit: fc.constantFrom("'", '"', '\\', '$', '`', '\n', '!', ' ', 'a'),
        maxLength: 12,
      }),
    );
    const values = fc.array(
      value.filter((text) => text.isWellFormed() && !text.includes('\0')),
      { minLength: 20, maxLength: 20 },
    );
    fc.assert(
      fc.property(values, (texts) => {
        const given = new Map(texts.map((text, index) => [`v.${index}`, text]));
        const names = [...given.keys()].map((name) => `"$${variableName(name)}"`).join(' ');
        const script = `${formatPersonality(given, 'env')}printf '%s\\0' ${names}\n`;
        const read = execFileSync('sh', ['-s'], { input: script, encoding: 'utf8' });
        expect(read.split('\0').slice(0, -1)).toEqual(texts);
      }),
      { seed: SEED, numRuns: 15 },
    );
  });
});
