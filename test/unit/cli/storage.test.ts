/** Storage on the command line. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CliIo } from '../../../src/cli/index.ts';
import { Fault } from '../../../src/errors/index.ts';
import { type StorageService, storageService } from '../control/support/storage-service.ts';
import { type ServedCli, servedCli } from './served-cli.ts';

const SECRET = 'correct-horse-battery';
const folder = mkdtempSync(join(tmpdir(), 'rootcast-cli-storage-'));
writeFileSync(join(folder, 'password'), `${SECRET}\n`);
writeFileSync(join(folder, 'empty'), '\n');
afterAll(() => rmSync(folder, { recursive: true }));

let service: StorageService;
let cli: ServedCli;
beforeEach(async () => {
  service = storageService();
  cli = await servedCli(service.control);
});
afterEach(() => cli.close());

const run = (line: string | readonly string[], options: Partial<CliIo> = {}) =>
  cli.run(line, { cwd: folder, ...options });

/** One that must succeed. @returns what people see */
async function text(line: string | readonly string[], options?: Partial<CliIo>): Promise<string> {
  const { code, out, err } = await run(line, options);
  expect({ line, code, err: code === 0 ? '' : err }).toEqual({ line, code: 0, err: '' });
  return out;
}

async function json(line: string): Promise<unknown> {
  return JSON.parse(await text(`${line} --json`));
}

const create = (name: string) =>
  text(`repository create ${name} --kind iscsi --set target=192.0.2.7`);

describe('repositories', () => {
  test('are found step by step, each step saying the next command', async () => {
    expect(await text('repository kinds')).toMatch(/^iscsi +LUNs of an iSCSI target$/m);
    expect(await text('repository kinds iscsi')).toMatch(/^chappassword +secret +no/m);
    const probe = 'repository probe --kind iscsi';
    expect(await text(probe)).toContain('repository probe --kind iscsi --set target=TARGET');
    const second = await text(
      `${probe} --set target=192.0.2.7 --secret-file chappassword=password`,
    );
    expect(second).toContain(
      'rootcast repository probe --kind iscsi --set target=192.0.2.7 --secret-file chappassword=password --set targetIQN=iqn.2026-01.test:a --set portals=192.0.2.1:3260',
    );
    const third = await text(`${probe} --set target=a --set targetIQN=b`);
    expect(third).toContain('repository create NAME --kind iscsi --set target=a --set targetIQN=b');
    expect(third).toContain('--existing r-old');
    expect(third).toMatch(/^Rootcast does: +snapshot$/m);
  });

  test('are checked: what was found is shown, and damage is exit code 1', async () => {
    await create('san1');
    const busy = await run('repository check san1');
    expect(busy).toMatchObject({ code: 1, err: expect.stringContaining('repository detach san1') });
    await text('repository detach san1');
    expect(await text('repository check san1')).toMatch(/^metadata: +whole$/m);
    service.storage.report = {
      ...service.storage.report,
      clean: false,
      findings: [{ severity: 'repairable', code: 'superblock-copy', message: 'copy 1 is damaged' }],
    };
    const damaged = await run('repository check --kind iscsi --set target=a');
    expect(damaged.code).toBe(1);
    expect(damaged.out).toMatch(/^repairable +superblock-copy +copy 1 is damaged$/m);
    expect(damaged.err).toContain('--repair puts it right');
    expect((await run('repository check')).code).toBe(2);
    expect((await run('repository check san1 --kind iscsi')).code).toBe(2);
  });

  test('are created with settings of their types, and with secrets that are no arguments', async () => {
    const line =
      'repository create san1 --kind iscsi --set target=192.0.2.7 --set port=3261 --set digests=true --set portals=a,b --warning 70 --critical 80';
    const out = await text(`${line} --secret chappassword`, {
      askSecret: async (prompt) => (prompt === 'chappassword: ' ? SECRET : ''),
    });
    expect(out).toMatch(/^settings: +target=192.0.2.7 port=3261 digests=true portals=a,b$/m);
    expect(out).toMatch(/^secrets: +chappassword$/m);
    expect(out).toMatch(/^Rootcast does: +snapshot$/m);
    expect(service.storage.attaches.at(-1)).toMatchObject({
      settings: { port: 3261, digests: true, portals: ['a', 'b'] },
      secrets: { chappassword: SECRET },
    });
    const stdin = async () => `${SECRET}\r\n`;
    const again = line.replace('san1', 'san2');
    await text(`${again} --secret-file chappassword=-`, { stdin });
    expect(service.storage.attaches.at(-1)?.secrets).toEqual({ chappassword: SECRET });
    expect(await text('repository list')).toMatch(
      /^san1 +iscsi +attached +0 +0 +1000 B +10 % +normal$/m,
    );
  });

  test('live from attach to delete', async () => {
    await create('san1');
    expect(await text('repository health san1')).toMatch(/^p1 +down$/m);
    service.storage.spaceNow = { total: 4096, free: 2048 };
    expect(await text('repository refresh san1')).toMatch(/^space: +2.0 KiB of 4.0 KiB free/m);
    expect(await text('repository detach san1')).toBe('repository san1 is detached\n');
    const set = 'repository set san1 --set port=1 --secret-file chappassword=password';
    expect(await text(set)).toMatch(/^settings: +target=192.0.2.7 port=1$/m);
    expect(await text('repository set san1 --unset-secret chappassword')).toMatch(/^secrets: +-$/m);
    await text('repository attach san1 --take-over');
    expect(service.storage.attaches.at(-1)).toMatchObject({ takeOver: true });
    expect(await text('repository show san1')).toMatch(/^state: +attached$/m);
    expect(await json('repository delete san1')).toEqual({ deleted: 'san1' });
    await text(
      'repository create old --kind iscsi --set target=a --take-over r-7 --description again',
    );
    expect(service.storage.attaches.at(-1)).toMatchObject({ repositoryId: 'r-7', takeOver: true });
    await text('repository detach old --force');
    expect(await text('repository forget old')).toBe('repository old is forgotten\n');
  });

  test('one that cannot be attached says why: 1', async () => {
    service.storage.failing.set('attach', new Fault('UNREACHABLE', 'no route'));
    const { code, err } = await run('repository create a --kind iscsi --set target=b');
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringContaining('UNREACHABLE: no route'),
    });
  });
});

describe('volumes and snapshots', () => {
  beforeEach(async () => {
    await create('san1');
    await text('volume create san1/db --size 1G');
  });

  test('volumes are created, grown, cloned, reverted, taken over and deleted', async () => {
    const odd = await text('volume create san1/odd --size 1000001 --thick --description x');
    expect(odd).toBe('volume san1/odd created: 1.0 MiB (1048576 bytes, rounded up from 1000001)\n');
    expect(await text('volume resize san1/db 2G')).toContain('2147483648 bytes');
    const { code, err } = await run('volume resize san1/db 1G');
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('never made smaller') });
    await text('snapshot create san1/db --name one');
    expect(await text('volume clone san1/db@one copy')).toMatch(/^stands on: +db@one$/m);
    expect(await text('volume split san1/copy')).toMatch(/^stands on: +nothing$/m);
    await create('san2');
    await text('volume clone san1/db there --to san2 --full');
    expect(await text('volume revert san1/db one')).toContain('as it was at one');
    expect(await text('volume set san1/copy --name dup')).toMatch(/^volume: +san1\/dup$/m);
    service.storage.foreign = [{ nativeId: 'lun-9', name: 'old', size: 4096, wwid: undefined }];
    expect(await text('volume foreign san1')).toMatch(/^lun-9 +old +4.0 KiB +-$/m);
    await text('volume adopt san1/old lun-9');
    expect(await text('volume list')).toMatch(/^san2\/there +/m);
    expect(await json('volume list san2')).toHaveLength(1);
    expect(await text('volume show san1/db')).toMatch(/^export: +volume\/san1\/db$/m);
    expect(await text('volume delete san1/db')).toBe(
      'volume san1/db deleted; 1 snapshots of it live on\n',
    );
    const orphans = await text('snapshot list san1 --orphaned');
    const id = /db \(deleted\), id (\S+)/.exec(orphans)?.[1];
    expect(await text(`snapshot clone san1/${id} again`)).toMatch(/^stands on: +db@one$/m);
    expect(await text(`snapshot delete san1/${id}`)).toBe('snapshot san1/db@one deleted\n');
  });

  test('snapshots are a tree', async () => {
    const take = async (name: string): Promise<void> => {
      service.clock.advance(1000);
      await text(`snapshot create san1/db --name ${name}`);
    };
    for (const name of ['a', 'b', 'c']) await take(name);
    await text('volume revert san1/db b');
    await take('d');
    await take('e');
    await text('snapshot set san1/db@e --hold');
    const tree = await text('snapshot list san1/db');
    expect(
      tree
        .split('\n')
        .slice(1, 6)
        .map((line) => line.split(/ {2,}/)[0]),
    ).toEqual([
      'a',
      'b',
      '├─ c',
      '└─ d',
      '', // e, below d: indented
    ]);
    expect(tree).toMatch(/^ {3}e +db +crash +held/m);
    expect(await text('snapshot list san1 --flat')).toMatch(/^san1\/db@a /m);
    expect(await text('snapshot show san1/db@e')).toMatch(/^held: +yes/m);
    expect((await run('snapshot delete san1/db@e')).err).toContain('is held');
    await text('snapshot set san1/db@e --release --name f --description x');
    expect(await text('snapshot delete san1/db@f')).toBe('snapshot san1/db@f deleted\n');
    service.storage.changes = [{ offset: 4096, length: 8192, kind: 'data' }];
    const diff = await text('snapshot diff san1/db@c --from db@a');
    expect(diff).toMatch(/^4096 +8192 +data$/m);
    expect(diff).toContain('8.0 KiB of 1.0 GiB');
  });

  test('are mapped to hosts; passwords come from files', async () => {
    await text('host add web --iqn iqn.2026-01.com.example:web --address 192.0.2.0/24');
    expect(await text('host set web --address 192.0.2.9')).toMatch(/^web +iqn.* +192.0.2.9 +-$/m);
    const map =
      'volume map san1/db --host web --mode ro --chap-user u --chap-password-file password';
    expect(
      await text(`${map} --mutual-user m`, { askSecret: async () => 'another-password' }),
    ).toMatch(/^web +ro +1 +/m);
    expect(service.storage.mapRequests.at(-1)).toMatchObject({
      chap: { user: 'u', password: SECRET, mutual: { user: 'm', password: 'another-password' } },
    });
    expect(await json('volume mappings san1/db')).toHaveLength(1);
    await text('volume unmap san1/db --host web --force');
    await text('volume unmap san1/db --all');
    expect(await text('host list')).toContain('web');
    expect(await text('host fence web --repository san1')).toBe(
      'host web is cut off from repository san1\n',
    );
    expect(await text('host fences --repository san1')).toMatch(/^192.0.2.9 +web$/m);
    await text('host unfence web --repository san1');
    expect(await json('host fences --repository san1')).toEqual([]);
    expect(await json('host delete web')).toEqual({ deleted: 'web' });
  });

  test('groups, schedules and hooks', async () => {
    await text('volume create san1/log --size 1G');
    await text('volume-group add shop --volume san1/db --volume san1/log');
    expect(await text('volume-group set shop --description x')).toMatch(
      /^shop +san1\/db, san1\/log +x$/m,
    );
    const freeze = 'hook add freeze --group shop --moment before-snapshot --quiesces';
    expect(await text(`${freeze} -- freeze.sh --all /srv`)).toMatch(
      /^freeze +group shop +before-snapshot +freeze.sh --all \/srv +30s +abort +yes +enabled$/m,
    );
    expect(await text('hook set freeze --timeout 1m --no-quiesces --disable')).toMatch(
      /1m +abort +no +disabled$/m,
    );
    expect(await text('hook set freeze --enable --quiesces')).toMatch(/yes +enabled$/m);
    await text('hook set freeze --policy continue');
    expect(await text('hook show freeze')).toMatch(/continue +yes +enabled$/m);
    const tell = 'hook add tell --repository san1 --moment after-snapshot --url https://a.test/';
    expect(await text(`${tell} --token-file password`)).toContain('https://a.test/ (token)');
    const taken = await text('volume-group snapshot shop --name monday');
    expect(taken).toContain('snapshot san1/db@monday taken (application-consistent)');
    expect(taken).toContain('hook tell (after-snapshot) succeeded: exit code 0');
    const add = ['snapshot-schedule', 'add', 'night', '--group', 'shop', '--at', '0 2 * * *'];
    expect(await text([...add, '--keep', 'last=2,weekly=4'])).toMatch(
      /^night +group shop +0 2 \* \* \* +last=2 weekly=4 +2026-01-03 02:00:00Z +- +enabled$/m,
    );
    expect(await text('snapshot-schedule run night')).toContain('san1/log@night-2026');
    expect(await text('snapshot-schedule set night --every 2h --volume san1/db --disable')).toMatch(
      /^night +san1\/db +every 2h .* disabled$/m,
    );
    for (const line of ['snapshot-schedule delete night', 'hook delete tell']) await text(line);
    expect(await json('hook list')).toHaveLength(1);
    expect(await json('volume-group delete shop')).toEqual({ deleted: 'shop' });
  });
});

describe('wrong usage', () => {
  test.each([
    'repository create',
    'repository create a',
    'repository create a --kind iscsi --set novalue',
    'repository create a --kind iscsi --set target=b --set port=x',
    'repository create a --kind iscsi --set digests=maybe',
    `repository create a --kind iscsi --set chappassword=${SECRET}`,
    'repository create a --kind iscsi --secret chappassword',
    'repository create a --kind iscsi --secret-file chappassword=empty',
    'repository create a --kind iscsi --secret-file a=- --secret-file b=-',
    'repository create a --kind iscsi --warning 101',
    'repository create a --kind iscsi --existing r --take-over r',
    'repository kinds floppy',
    'repository probe',
    'volume create db --size 1G',
    'volume create san1/db',
    'volume clone db copy',
    'volume clone @x copy',
    'snapshot clone db@x copy',
    'volume set san1/db',
    'volume map san1/db',
    'volume map san1/db --host a --chap-password-file password',
    'volume map san1/db --host a --chap-user u --mutual-password-file password',
    'volume map san1/db --host a --mode rwx',
    'volume unmap san1/db',
    'volume unmap san1/db --all --host a',
    'snapshot create san1/db',
    'snapshot create san1/db san2/db --name a',
    'snapshot list san1/db --orphaned',
    'snapshot list a/b/c',
    'snapshot show db',
    'snapshot set san1/db@a',
    'snapshot set san1/db@a --hold --release',
    'host set a',
    'volume-group add g',
    'volume-group set g',
    'snapshot-schedule set a',
    'snapshot-schedule add a --every 1h --at noon',
    'snapshot-schedule add a --keep daily',
    'hook add h --volume san1/db -- x',
    'hook add h --volume san1/db --moment at-noon -- x',
    'hook add h --volume san1/db --moment after-snapshot --url https://a.test -- x',
    'hook set h',
  ])('rootcast %s: 2, and nothing on stdout', async (line) => {
    const { code, out, err } = await run(line);
    expect({ line, code, out }).toEqual({ line, code: 2, out: '' });
    expect(err).not.toBe('');
    expect(err).not.toContain(SECRET);
  });

  test('every command has a help text', async () => {
    for (const command of [
      'repository',
      'volume',
      'snapshot',
      'host',
      'volume-group',
      'snapshot-schedule',
      'hook',
    ]) {
      const { code, out } = await run(`${command} --help`);
      expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('Example') });
    }
  });
});
