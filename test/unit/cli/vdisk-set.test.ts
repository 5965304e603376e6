/** Where a vDisk's write caches are made, on the command line. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { addMachine, listRepositories } from '../../../src/control/index.ts';
import { withVdisk } from '../control/support/fake-service.ts';
import {
  type StorageService,
  storageService,
  withRepository,
} from '../control/support/storage-service.ts';
import { type ServedCli, servedCli } from './served-cli.ts';

let service: StorageService;
let cli: ServedCli;
beforeEach(async () => {
  service = storageService();
  await withRepository(service);
  await withVdisk(service);
  cli = await servedCli(service.control);
});
afterEach(() => cli.close());

const run = (line: string) => cli.run(line);

test('is set, told with what stays where it was, shown, and taken back', async () => {
  const { control, dataPlane } = service;
  addMachine(control, { name: 'pc-1', mac: '52:54:00:00:00:01', vdisk: 'debian' });
  const id = control.catalog.machines.byName('pc-1')?.id ?? '';
  dataPlane.overlays.set(id, { layerId: 'layer-1', usedBytes: 0, isOpen: false });
  const set = await run('vdisk set debian --overlay-repository san1');
  expect(set).toMatchObject({ code: 0 });
  expect(set.out).toBe(
    'write caches of debian are made in san1 from now on\n' +
      '1 that exists stays where it is, until renewed, captured or sealed\n',
  );
  const { id: repository } = listRepositories(control)[0] ?? {};
  expect(control.catalog.vdisks.byName('debian')?.overlayRepositoryId).toBe(repository);
  const shown = await run('vdisk show debian');
  expect(shown.out).toMatch(/write caches in: +san1; 1 made before is elsewhere/);
  expect(shown.out).toMatch(/layers in: +the service's own repository/);
  expect((await run('repository show san1')).out).toMatch(/write caches: +0/);
  const back = await run('vdisk set debian --no-overlay-repository');
  expect(back.out).toBe(
    "write caches of debian are made in the service's own repository from now on\n",
  );
});

test('what cannot be is refused with what would be right', async () => {
  const nothing = await run('vdisk set debian');
  expect([nothing.code, nothing.err]).toEqual([2, expect.stringMatching(/nothing to change/)]);
  const unknown = await run('vdisk set debian --overlay-repository san9');
  expect(unknown.err).toMatch(/there is no repository san9[\s\S]*overlayRepository/);
  expect((await run('vdisk set debian --description mother')).out).toBe('vDisk debian changed\n');
});
