/** What is checked on storage, and who is cut off from it. */
import { beforeEach, describe, expect, test } from 'vitest';
import {
  addHost,
  attachRepository,
  checkRepository,
  checkStorage,
  createRepository,
  deleteHost,
  detachRepository,
  fenceHost,
  listFences,
  unfenceHost,
  updateHost,
} from '../../../../src/control/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import type { CheckReport } from '../../../../src/repositories/index.ts';
import { kinds } from '../support/fake-service.ts';
import {
  ended,
  refused,
  result,
  type StorageService,
  storageService,
  withRepository,
} from '../support/storage-service.ts';

const SECRET = 'correct-horse';
const DAMAGED: CheckReport = {
  ...{ clean: false, repaired: false, attached: false, volumes: 1 },
  ...{ repositoryId: undefined, owner: undefined, extents: { total: 9, mapped: 1 } },
  findings: [{ severity: 'repairable', code: 'superblock-copy', message: 'copy 1 is damaged' }],
};

let service: StorageService;
beforeEach(() => {
  service = storageService();
});

describe('a check', () => {
  const settings = { target: '192.0.2.1' };
  const secrets = { chappassword: SECRET };

  test('is of a repository that is detached, with its settings and secrets', async () => {
    const { control, storage } = service;
    await result(
      control,
      createRepository(control, { name: 'san1', kind: 'iscsi', settings, secrets }),
    );
    expect(() => checkRepository(control, 'san1')).toThrow(
      refused('IN_USE', 'repository.state', 'rootcast repository detach san1 first'),
    );
    await detachRepository(control, 'san1');
    const report = await result<object>(control, checkRepository(control, 'san1'));
    expect(report).toMatchObject({ clean: true, repaired: false, repositoryId: 'r-old' });
    const [target, options] = storage.checks[0] ?? [];
    expect(target).toEqual({ kind: 'iscsi', settings, secrets, repositoryId: expect.any(String) });
    expect(options).toMatchObject({ repair: false, force: false });
    expect(service.told.find(({ kind }) => kind === 'repository.checked')).toMatchObject({
      subject: 'repository/san1',
      data: { clean: true, fatal: 0 },
    });
    expect(JSON.stringify([report, service.told])).not.toContain(SECRET);
  });

  test('that repairs says so; one that finds damage is no failure of the task', async () => {
    const { control, storage } = service;
    await withRepository(service);
    await detachRepository(control, 'san1');
    storage.report = DAMAGED;
    expect(await result(control, checkRepository(control, 'san1'))).toMatchObject({
      ...{ clean: false, repositoryId: null, owner: null },
      findings: [{ code: 'superblock-copy' }],
    });
    storage.report = { ...DAMAGED, clean: true, repaired: true };
    await result(control, checkRepository(control, 'san1', { repair: true, force: true }));
    expect(storage.checks[1]?.[1]).toMatchObject({ repair: true, force: true });
    expect(kinds(service)).toContain('repository.repaired');
  });

  test('does not begin when the repository was attached while it waited for its turn', async () => {
    const { control, storage } = service;
    await withRepository(service);
    await detachRepository(control, 'san1');
    const goOn = Promise.withResolvers<void>();
    storage.waits.set('attach', () => goOn.promise);
    const attaching = attachRepository(control, 'san1', {});
    const check = checkRepository(control, 'san1', { repair: true });
    goOn.resolve();
    await result(control, attaching);
    expect(await ended(control, check)).toMatchObject({
      state: 'failed',
      error: { code: 'IN_USE' },
    });
    expect(storage.checks).toEqual([]);
  });

  test('may be of storage that is no repository here, and tells no secret when it fails', async () => {
    const { control, storage } = service;
    const input = { kind: 'iscsi', settings, secrets, repair: true };
    await result(control, checkStorage(control, input));
    expect(storage.checks[0]?.[0]).toEqual({ kind: 'iscsi', settings, secrets });
    expect(() => checkStorage(control, { kind: 'iscsi' })).toThrow(refused('INVALID_INPUT'));
    storage.failing.set('check', new Fault('UNREACHABLE', `login with ${SECRET} failed`));
    const failed = await ended(control, checkStorage(control, input));
    expect(failed).toMatchObject({ state: 'failed', error: { code: 'UNREACHABLE' } });
    expect(JSON.stringify([failed, service.told])).not.toContain(SECRET);
  });
});

describe('a host', () => {
  const iqn = 'iqn.2026-01.com.example:web7';

  test('is cut off, listed, and let in again', async () => {
    const { control } = service;
    await withRepository(service);
    addHost(control, { name: 'web7', iqns: [iqn], addresses: ['192.0.2.7'] });
    const repository = 'san1';
    await fenceHost(control, 'web7', { repository });
    expect(await listFences(control, repository)).toEqual([
      { who: '192.0.2.7', hosts: ['web7'] },
      { who: iqn, hosts: ['web7'] },
    ]);
    await unfenceHost(control, 'web7', { repository });
    expect(await listFences(control, repository)).toEqual([]);
    expect(kinds(service).slice(-2)).toEqual(['host.fenced', 'host.unfenced']);
  });

  test('is told by its addresses however the storage writes them', async () => {
    const { control, storage } = service;
    await withRepository(service);
    addHost(control, { name: 'web7', iqns: [iqn], addresses: ['FD00:0:0::7', '::ffff:192.0.2.7'] });
    addHost(control, { name: 'web8', addresses: ['fd00:8::/64'] });
    const id = control.catalog.repositories.byName('san1')?.id;
    const fenced = ['192.0.2.7', '192.0.2.8', 'fd00:8::/64', 'fd00::7', iqn];
    for (const who of fenced) storage.fences.add(`${id} ${who}`);
    const told = await listFences(control, 'san1');
    expect(told.map(({ who, hosts }) => [who, ...hosts])).toEqual([
      ['192.0.2.7', 'web7'],
      ['192.0.2.8'],
      ['fd00:8::/64', 'web8'],
      ['fd00::7', 'web7'],
      [iqn, 'web7'],
    ]);
  });

  test('is cut off by what it is when its turn comes', async () => {
    const { control, storage } = service;
    await withRepository(service);
    addHost(control, { name: 'web7', addresses: ['192.0.2.7'] });
    const repository = 'san1';
    const goOn = Promise.withResolvers<void>();
    storage.waits.set('unfence', () => goOn.promise);
    const before = unfenceHost(control, 'web7', { repository });
    const fencing = fenceHost(control, 'web7', { repository });
    updateHost(control, 'web7', { name: 'web8', addresses: ['192.0.2.8'] });
    goOn.resolve();
    await Promise.all([before, fencing]);
    expect(await listFences(control, repository)).toEqual([{ who: '192.0.2.8', hosts: ['web8'] }]);
    expect(service.told.at(-1)).toMatchObject({ kind: 'host.fenced', subject: 'host/web8' });

    storage.waits.set('fence', () => Promise.resolve(deleteHost(control, 'web8')));
    const last = fenceHost(control, 'web8', { repository });
    const late = unfenceHost(control, 'web8', { repository });
    await last;
    await expect(late).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await listFences(control, repository)).toEqual([{ who: '192.0.2.8', hosts: [] }]);
  });

  test('stays as it is when the storage cannot, or is away; and nothing is told', async () => {
    const { control, storage } = service;
    await withRepository(service);
    addHost(control, { name: 'web7', iqns: [iqn] });
    storage.failing.set('fence', new Fault('UNSUPPORTED', 'it cannot'));
    const fence = () => fenceHost(control, 'web7', { repository: 'san1' });
    await expect(fence()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await detachRepository(control, 'san1');
    await expect(fence()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(fenceHost(control, 'nobody', { repository: 'san1' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(kinds(service)).not.toContain('host.fenced');
  });
});
