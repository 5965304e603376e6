/** A control plane with storage and hooks in memory, and a repository or two. */
import { expect } from 'vitest';
import {
  type Control,
  createRepository,
  createVolume,
  type HookAction,
  type HookCall,
  type HookEnd,
  type HookRunner,
  showTask,
  type TaskView,
} from '../../../../src/control/index.ts';
import { FakeStorage } from '../../../support/fake-storage.ts';
import { type FakeService, fakeService } from './fake-service.ts';

export const GIB = 2 ** 30;

/** Hooks that only say that they were called; those in `ends` end as they are told. */
export class FakeHooks implements HookRunner {
  readonly calls: HookCall[] = [];
  /** By the hook's name. */
  readonly ends = new Map<string, Partial<HookEnd>>();
  readonly checked: HookAction[] = [];
  /** Called instead of waiting. */
  readonly during = new Map<string, () => void | Promise<void>>();

  check(action: HookAction): void {
    this.checked.push(action);
  }

  async run(call: HookCall): Promise<HookEnd> {
    this.calls.push(call);
    const name = call.facts['ROOTCAST_HOOK'] ?? '';
    await this.during.get(name)?.();
    return { succeeded: true, how: 'exit code 0', output: `${name} ran`, ...this.ends.get(name) };
  }

  /** `before-snapshot freeze` … in the order in which they were called. */
  told(): readonly string[] {
    return this.calls.map(({ facts }) => `${facts['ROOTCAST_MOMENT']} ${facts['ROOTCAST_HOOK']}`);
  }
}

export interface StorageService extends FakeService {
  readonly storage: FakeStorage;
  readonly hooks: FakeHooks;
}

export function storageService(): StorageService {
  const storage = new FakeStorage();
  const hooks = new FakeHooks();
  const service = fakeService({ storage, hooks });
  storage.now = () => service.clock.now();
  return { ...service, storage, hooks };
}

/** Waits for a task, and gives what it ended as. */
export async function ended(control: Control, task: TaskView): Promise<TaskView> {
  await control.tasks.settled(task.id);
  return showTask(control, task.id);
}

/** Waits for a task that must succeed. @returns its result */
export async function result<T>(control: Control, task: TaskView): Promise<T> {
  const { state, result: value, message } = await ended(control, task);
  if (state !== 'succeeded') throw new Error(`${task.kind} ${state}: ${message}`);
  return value as T;
}

/** A fault that says where and what was expected. @param expected any text unless given */
export const refused = (code: string, field?: string, expected: unknown = expect.any(String)) =>
  expect.objectContaining({
    code,
    ...(field === undefined ? {} : { details: expect.objectContaining({ field, expected }) }),
  });

export async function withRepository(service: StorageService, name = 'san1'): Promise<void> {
  const input = { name, kind: 'iscsi', settings: { target: '192.0.2.1' } };
  await result(service.control, createRepository(service.control, input));
}

export async function withVolume(
  { control }: StorageService,
  name: string,
  repository = 'san1',
): Promise<void> {
  await result(control, createVolume(control, repository, { name, size: GIB }));
}

/** With a repository `san1`, and one volume in it; nothing of that is among what was told. */
export async function serviceWithVolume(volume: string): Promise<StorageService> {
  const service = storageService();
  await withRepository(service);
  await withVolume(service, volume);
  service.told.length = 0;
  return service;
}
