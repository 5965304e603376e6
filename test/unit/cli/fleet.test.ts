/** Collections, changes of many machines, personality data and the audit on the command line. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CliIo } from '../../../src/cli/index.ts';
import { decideBoot, listEvents } from '../../../src/control/index.ts';
import { type FakeService, fakeService, withVdisk } from '../control/support/fake-service.ts';
import { type ServedCli, servedCli } from './served-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'rootcast-cli-fleet-'));
afterAll(() => rmSync(folder, { recursive: true }));

let service: FakeService;
let cli: ServedCli;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service);
  await withVdisk(service, 'other');
  cli = await servedCli(service.control);
});
afterEach(() => cli.close());

const run = (line: string | readonly string[], options: Partial<CliIo> = {}) =>
  cli.run(line, { cwd: folder, ...options });

async function runJson(line: string): Promise<unknown> {
  const { code, out, err } = await run(`${line} --json`);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out);
}

describe('collections', () => {
  test('are added, filled, changed and deleted', async () => {
    const add = 'collection add lab --vdisk debian --class test --quota 1G --description x';
    expect(await runJson(add)).toMatchObject({
      name: 'lab',
      settings: { class: { value: 'test' }, quota: { value: 2 ** 30 } },
    });
    await runJson('machine add pc-1 --mac 525400000001 --in-collection lab');
    await runJson('machine add pc-2 --mac 525400000002 --vdisk other');
    await runJson('machine add pc-3 --mac 525400000003 --vdisk debian --on-new-version discard');
    expect((await run('collection assign lab pc-2 pc-3')).out).toBe(
      '2 machines are in collection lab now\n',
    );
    const list = (await run('collection list')).out;
    expect(list).toMatch(/^lab +3 +debian +test +server +x$/m);
    const set = 'collection set lab --name hall --inherit class,quota --cache server-persistent';
    expect((await run(`${set} --on-new-version discard`)).out).toMatch(
      /^class: +production \(default\)$/m,
    );
    const show = (await run('collection show hall')).out;
    expect(show).toMatch(/^machines: +3$/m);
    expect(show).toMatch(/^write cache: +server-persistent$/m);
    expect(await runJson('machine list --all-in hall')).toHaveLength(3);
    await runJson('collection add empty');
    expect((await run('collection assign empty --all-in hall')).err).toContain('pc-1');
    await runJson('machine set --all-in hall --out-of-collection --vdisk debian');
    expect(await runJson('collection delete hall')).toEqual({ deleted: 'hall' });
  });

  test.each([
    'collection add',
    'collection set lab',
    'collection set lab --inherit colour',
    'collection set lab --class fast',
    'collection assign lab',
    'collection assign lab pc-1 --all-in hall',
    'machine set --class test',
    'machine set pc-1 --all-in lab --class test',
    'machine set pc-1 pc-2',
    'machine set pc-1 pc-2 --mac 525400000001',
    'machine set pc-1 --in-collection a --out-of-collection',
    'machine set pc-1 --pin 1 --unpin',
    'machine set pc-1 --pin newest',
    'machine personality',
    'machine personality pc-1 --set novalue',
    'machine personality pc-1 --set a=b --file x',
    'machine personality pc-1 --clear --unset a',
    'machine personality pc-1 --file not-there.json',
    `enrolment approve 525400000001 --name pc-1`,
    'enrolment policy --in-collection lab',
    'enrolment policy --class test',
    'audit --limit 0',
  ])('rootcast %s is wrong: 2, and nothing on stdout', async (line) => {
    const { code, out, err } = await run(line);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).not.toBe('');
  });
});

describe('machines', () => {
  test('are set one by one, several, or all of a collection', async () => {
    await runJson('collection add lab --vdisk debian');
    for (const number of [1, 2, 3]) {
      await runJson(`machine add pc-${number} --mac 52540000000${number} --in-collection lab`);
    }
    expect(await runJson('machine set pc-1 --class test --pin 1')).toMatchObject({
      class: 'test',
      pinnedVersion: 1,
    });
    expect(await runJson('machine set pc-1 --unpin --inherit class,quota')).toMatchObject({
      class: 'production',
      pinnedVersion: null,
    });
    expect(await runJson('machine set pc-1 pc-3 --quota none --disable')).toMatchObject([
      { name: 'pc-1', enabled: false, settings: { quota: { from: 'machine' } } },
      { name: 'pc-3', enabled: false },
    ]);
    expect(await runJson('machine set --all-in lab --inherit enabled')).toHaveLength(3);
    expect((await run('machine set pc-1 nobody --class test')).err).toContain('NOT_FOUND');
  });

  test('say on their page where it comes from and what comes next', async () => {
    await runJson('collection add lab --vdisk debian --cache server-persistent');
    await runJson('machine add pc-1 --mac 525400000001 --in-collection lab');
    const { out } = await run('machine show pc-1');
    expect(out).toMatch(/^class: +production$/m);
    expect(out).toMatch(/^collection: +lab, which gives vdisk, cache$/m);
    expect(out).toMatch(/^next boot: +version 1 \(release\)$/m);
    const { versions, layers, machines, vdisks } = service.control.catalog;
    const first = versions.ofVdisk(vdisks.byName('debian')?.id ?? '')[0];
    if (first === undefined || first.state === 'maintenance') throw new Error('no version');
    const layer = layers.byId(first.layerId);
    if (layer === undefined) throw new Error('no layer');
    layers.insert({ ...layer, id: 'two', volumeId: 'two' });
    versions.insert({ ...first, id: 'v2', number: 2, layerId: 'two' });
    const id = machines.byName('pc-1')?.id ?? '';
    const overlay = { layerId: first.layerId, usedBytes: 1, isOpen: false };
    service.dataPlane.overlays.set(id, overlay);
    expect((await run('machine show pc-1')).out).toMatch(
      /^next boot: +version 1, on which its write cache stands; else version 2 \(release\)/m,
    );
    expect((await run('machine list')).out).toMatch(
      /debian +1 \(next 2\) +production +lab +server-persistent/,
    );
  });

  test('enrol into collections', async () => {
    await runJson('collection add lab --vdisk debian');
    decideBoot(service.control, { mac: '525400000001', arch: 'x86-bios' });
    const approve = 'enrolment approve 525400000001 --name pc-1 --in-collection lab --class test';
    expect(await runJson(approve)).toMatchObject({ collection: 'lab', class: 'test' });
    const policy = 'enrolment policy --in-collection lab --names pc-{n} --class test';
    expect((await run(policy)).out).toMatch(/^collection: +lab\nclass: +test$/m);
    expect(await runJson('enrolment policy --template other --names x-{n}')).toMatchObject({
      template: { vdisk: 'other', collection: null },
    });
  });
});

describe('personality', () => {
  beforeEach(async () => {
    await runJson('collection add lab --vdisk debian');
    await runJson('machine add pc-1 --mac 525400000001 --in-collection lab');
  });

  test('is set, shown and removed', async () => {
    const set = 'collection personality lab --set role=kiosk --set printer=p1';
    expect(await runJson(set)).toMatchObject({ values: { role: 'kiosk', printer: 'p1' } });
    await run(['machine', 'personality', 'pc-1', '--set', 'printer=a=b c', '--set', 'seat=']);
    const { out } = await run('machine personality pc-1');
    expect(out).toMatch(/^printer +a=b c +machine$/m);
    expect(out).toMatch(/^role +kiosk +collection$/m);
    expect(out).toMatch(/^size: +\d+ B of 64\.0 KiB$/m);
    const unset = 'machine personality pc-1 --unset seat --unset other --set x=1';
    expect(await runJson(unset)).toMatchObject({ values: { printer: 'a=b c', x: '1' } });
    expect(await runJson('machine personality pc-1 --clear')).toMatchObject({ values: {} });
  });

  test('comes from a file or from standard input', async () => {
    writeFileSync(join(folder, 'p.json'), '{"a":"1","b":"two\\nlines"}');
    expect(await runJson('machine personality pc-1 --file p.json')).toMatchObject({
      values: { a: '1', b: 'two\nlines' },
    });
    const line = 'machine personality pc-1 --file - --json';
    const { out } = await run(line, { stdin: async () => '{"c":"3"}' });
    expect(JSON.parse(out)).toMatchObject({ values: { c: '3' } });
    for (const text of ['[]', '{', '"x"', 'null']) {
      const { code, err } = await run(line, { stdin: async () => text });
      expect([code, err]).toEqual([2, expect.stringContaining('standard input')]);
    }
    const wrong = await run(line, { stdin: async () => '{"a":1}' });
    expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining('values.a') });
  });
});

describe('the audit', () => {
  test('says who did what; events say it too', async () => {
    await run('collection add lab --vdisk debian', { user: 'anna@desk' });
    await run('machine add pc-1 --mac 525400000001 --in-collection lab', { user: 'ben@lap' });
    const { out } = await run('audit');
    expect(out.split('\n')[0]).toMatch(/^TIME +ACTOR +KIND +SUBJECT +MESSAGE$/);
    expect(out.split('\n').slice(1, 3)).toEqual([
      expect.stringMatching(/admin from 127\.0\.0\.1 \(says anna@desk\) +collection\.added/),
      expect.stringMatching(/admin from 127\.0\.0\.1 \(says ben@lap\) +machine\.added/),
    ]);
    expect(out).not.toContain('vdisk.imported');
    expect((await run('events')).out).toMatch(/ service +vdisk\.imported/);
    expect(await runJson('audit --subject collection/lab')).toHaveLength(1);
    expect((await run('task show id-1')).out).toMatch(/^started by: +service$/m);
  });

  test('gets no more of a user than it can write down', async () => {
    await run('collection add lab', { user: `J\u00f6rg\n${'x'.repeat(200)}` });
    const [event] = listEvents(service.control, { actor: 'people' });
    expect(event?.actor).toBe(`admin from 127.0.0.1 (says J?rg?${'x'.repeat(123)})`);
  });
});
