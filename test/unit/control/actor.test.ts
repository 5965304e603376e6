import { setImmediate } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  actingAs,
  addMachine,
  importVdisk,
  listEvents,
  requestBoot,
  showTask,
  updateMachine,
} from '../../../src/control/index.ts';
import { type FakeService, fakeService, withVdisk } from './support/fake-service.ts';

let service: FakeService;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service);
});

const MAC = '52:54:00:00:00:01';
const add = (name: string, mac: string) =>
  addMachine(service.control, { name, mac, vdisk: 'debian' });

describe('who did it', () => {
  test('stands in every event, also after waiting, and in what the log is told', async () => {
    const change = async (actor: string, name: string, mac: string): Promise<void> =>
      actingAs(actor, async () => {
        add(name, mac);
        await setImmediate();
        await updateMachine(service.control, name, { class: 'test' });
      });
    await Promise.all([change('anna', 'pc-1', MAC), change('ben', 'pc-2', '525400000002')]);
    const told = service.told.filter(({ kind }) => kind.startsWith('machine.'));
    expect(told.map(({ subject, kind, actor }) => `${subject} ${kind} ${actor}`).sort()).toEqual([
      'machine/pc-1 machine.added anna',
      'machine/pc-1 machine.changed anna',
      'machine/pc-2 machine.added ben',
      'machine/pc-2 machine.changed ben',
    ]);
  });

  test('goes with a task to its end', async () => {
    const task = actingAs('anna', () =>
      importVdisk(service.control, { name: 'other', path: '/x' }),
    );
    expect(task.actor).toBe('anna');
    await service.control.tasks.settled(task.id);
    expect(showTask(service.control, task.id).actor).toBe('anna');
    expect(service.told.at(-1)).toMatchObject({ kind: 'vdisk.imported', actor: 'anna' });
  });

  test('is the service where nobody asked; the audit leaves that out', async () => {
    actingAs('anna', () => add('pc-1', MAC));
    await requestBoot(service.control, MAC);
    expect(listEvents(service.control, { limit: 1 })).toMatchObject([
      { kind: 'boot.started', actor: 'service' },
    ]);
    const audit = listEvents(service.control, { actor: 'people' });
    expect(audit).toMatchObject([
      { kind: 'machine.added', actor: 'anna', subject: 'machine/pc-1' },
    ]);
    expect(listEvents(service.control, { actor: 'people', subject: 'machine/pc-2' })).toEqual([]);
    expect(listEvents(service.control, { actor: 'anyone' })).toHaveLength(4);
  });
});
