import { beforeEach, describe, expect, it } from 'vitest';
import type { Caller } from '../../../../src/xenapi/call.ts';
import { TASK } from '../../../../src/xenapi/datamodel/task.ts';
import { Objects } from '../../../../src/xenapi/objects/objects.ts';
import { NULL_REF } from '../../../../src/xenapi/objects/refs.ts';
import {
  ENDED_XEN_TASK_MS,
  MAX_ENDED_XEN_TASKS,
  MAX_PENDING_XEN_TASKS,
  MAX_XEN_TASK_TEXT,
  PENDING_XEN_TASK_MS,
} from '../../../../src/xenapi/tasks/limits.ts';
import { Tasks } from '../../../../src/xenapi/tasks/tasks.ts';

const START = Date.UTC(2026, 10, 28);
const ANNA: Caller = { session: 'OpaqueRef:a', user: 'anna', role: 'vm-admin' };
/** The same user, in another session. */
const ANNA_AGAIN: Caller = { ...ANNA, session: 'OpaqueRef:b' };
const BERT: Caller = { session: 'OpaqueRef:c', user: 'bert', role: 'vm-admin' };
const OPERATOR: Caller = { session: 'OpaqueRef:d', user: 'olga', role: 'pool-operator' };
const BY = 'DummyRef:|by';

let now: number;
let objects: Objects;
let tasks: Tasks;
beforeEach(() => {
  now = START;
  objects = new Objects([TASK], 1);
  tasks = new Tasks({ objects, now: () => now });
});

const record = (ref: string) => objects.require(TASK, ref);
const begin = (caller = ANNA, name = 'Async.VDI.copy') => tasks.begin({ name, caller });
const create = (caller = ANNA) => tasks.create({ name: 'upload', description: 'of disks', caller });

describe('a task of a call', () => {
  it('is pending, and then what the call came to, as XML-RPC text', () => {
    const task = begin();
    expect(record(task.ref)).toMatchObject({
      ...{ name_label: 'Async.VDI.copy', status: 'pending', progress: 0, result: '' },
      ...{ created: START, finished: 0, error_info: [], subtask_of: NULL_REF },
      allowed_operations: ['cancel', 'destroy'],
    });
    now += 1000;
    task.succeed('<value>OpaqueRef:x</value>');
    expect(record(task.ref)).toMatchObject({
      ...{ status: 'success', result: '<value>OpaqueRef:x</value>', progress: 1 },
      ...{ finished: START + 1000, allowed_operations: [] },
    });
  });

  it('fails with a code and its parameters', () => {
    const task = begin();
    task.fail(['VDI_IN_USE', 'OpaqueRef:v', 'destroy']);
    expect(record(task.ref)).toMatchObject({
      ...{ status: 'failure', error_info: ['VDI_IN_USE', 'OpaqueRef:v', 'destroy'], result: '' },
    });
    task.succeed('late');
    expect(record(task.ref)).toMatchObject({ status: 'failure', result: '' });
  });

  it('is told to end when it is cancelled, and is cancelled when it has', () => {
    const task = begin();
    tasks.cancel(task.ref, ANNA_AGAIN, BY);
    expect(record(task.ref)).toMatchObject({
      status: 'pending',
      current_operations: new Map([[BY, 'cancel']]),
    });
    expect(task.signal.reason).toMatchObject({ description: ['TASK_CANCELLED', task.ref] });
    task.fail(['TASK_CANCELLED', task.ref]);
    expect(record(task.ref)).toMatchObject({
      ...{ status: 'cancelled', error_info: ['TASK_CANCELLED', task.ref] },
      current_operations: new Map(),
    });
    expect(() => tasks.cancel(task.ref, ANNA, BY)).toThrow('OPERATION_NOT_ALLOWED');
  });

  it('tells how far it is when that is looked at, not each time it says it', () => {
    const task = begin();
    const before = objects.generation;
    for (let done = 0; done <= 1000; done++) task.progress(done / 2000);
    expect(objects.generation).toBe(before);
    tasks.observe(now);
    expect(objects.generation).toBe(before + 1);
    expect(record(task.ref).progress).toBe(0.5);
    for (const wrong of [Number.NaN, 7, -1]) task.progress(wrong);
    tasks.observe(now);
    expect(record(task.ref).progress).toBe(0);
  });

  it('says what it is a part of, and a task what its parts are', () => {
    const whole = begin();
    const part = tasks.begin({ name: 'part', caller: ANNA, subtaskOf: whole.ref });
    const orphan = tasks.begin({ name: 'part', caller: ANNA, subtaskOf: 'OpaqueRef:unknown' });
    expect(record(part.ref).subtask_of).toBe(whole.ref);
    expect(record(whole.ref).subtasks).toEqual([part.ref]);
    expect(record(orphan.ref).subtask_of).toBe(NULL_REF);
  });

  it('says nothing of itself that its maker made up', () => {
    const task = begin();
    for (const lie of [
      () => tasks.setStatus(task.ref, ANNA, 'success'),
      () => tasks.setProgress(task.ref, ANNA, 1),
      () => tasks.setResult(task.ref, ANNA, 'done'),
      () => tasks.setErrorInfo(task.ref, ANNA, ['X']),
      () => tasks.adopt(task.ref, ANNA),
    ]) {
      expect(lie).toThrow('OPERATION_NOT_ALLOWED');
    }
  });

  it('fails with the service', () => {
    const [task, ended] = [begin(), begin()];
    ended.succeed('');
    const unseen = tasks.beginUnseen({ name: 'VDI.copy', caller: ANNA });
    tasks.close();
    expect(record(task.ref)).toMatchObject({
      ...{ status: 'failure', error_info: ['INTERNAL_ERROR', 'the service stopped'] },
    });
    expect(record(ended.ref).status).toBe('success');
    expect([task, ended, unseen].map(({ signal }) => signal.aborted)).toEqual([true, false, true]);
  });
});

describe('a call that nobody sees', () => {
  it('has a task that is in no list', () => {
    const task = tasks.beginUnseen({ name: 'VDI.copy', caller: ANNA });
    expect(task.ref).toMatch(/^DummyRef:\|[0-9a-f-]{36}\|VDI\.copy$/);
    expect(objects.count('task')).toBe(0);
    task.succeed('');
  });
});

describe('a task that a client made', () => {
  it('says what its maker says', () => {
    const ref = create();
    tasks.setProgress(ref, ANNA, 0.25);
    tasks.observe(now);
    expect(record(ref)).toMatchObject({ name_description: 'of disks', progress: 0.25 });
    tasks.setResult(ref, ANNA_AGAIN, 'fine');
    now += 5;
    tasks.setStatus(ref, ANNA, 'success');
    expect(record(ref)).toMatchObject({
      ...{ status: 'success', result: 'fine', finished: now, progress: 1 },
    });
    expect(() => tasks.setStatus(ref, ANNA, 'pending')).toThrow('OPERATION_NOT_ALLOWED');
    tasks.setErrorInfo(ref, ANNA, ['WHY', 'not']); // as xapi, also afterwards
    expect(record(ref).error_info).toEqual(['WHY', 'not']);
  });

  it('is a transfer’s once it is named to one', () => {
    const ref = create();
    const running = tasks.adopt(ref, ANNA);
    expect(running.ref).toBe(ref);
    running.progress(0.5);
    tasks.observe(now);
    expect(record(ref).progress).toBe(0.5);
    expect(() => tasks.adopt(ref, ANNA)).toThrow('OPERATION_NOT_ALLOWED');
    expect(() => tasks.setStatus(ref, ANNA, 'success')).toThrow('OPERATION_NOT_ALLOWED');
    running.succeed('<value>OpaqueRef:v</value>');
    expect(record(ref)).toMatchObject({ status: 'success', result: '<value>OpaqueRef:v</value>' });
    expect(() => tasks.adopt(ref, ANNA)).toThrow('OPERATION_NOT_ALLOWED');
  });

  it('ends the transfer at once that it is named to when it was cancelled before', () => {
    const ref = create();
    tasks.cancel(ref, ANNA, BY);
    expect(tasks.adopt(ref, ANNA).signal.aborted).toBe(true);
  });

  it('is gone when it is destroyed: at once if it has ended, else when it does', () => {
    const [ended, pending] = [create(), create()];
    tasks.setStatus(ended, ANNA, 'failure');
    tasks.destroy(ended, ANNA, BY);
    expect(objects.find('task', ended)).toBeUndefined();
    tasks.destroy(pending, ANNA, BY);
    expect(record(pending).current_operations).toEqual(new Map([[BY, 'destroy']]));
    tasks.setStatus(pending, ANNA, 'success');
    expect(objects.find('task', pending)).toBeUndefined();
    expect(() => tasks.destroy(pending, ANNA, BY)).toThrow('HANDLE_INVALID, task');
  });

  it('is bounded', () => {
    const ref = create();
    const long = 'x'.repeat(MAX_XEN_TASK_TEXT + 1);
    for (const write of [
      () => tasks.create({ name: long, caller: ANNA }),
      () => tasks.setResult(ref, ANNA, long),
      () => tasks.setErrorInfo(ref, ANNA, ['X', long]),
      () => tasks.changeOtherConfig(ref, ANNA, 'm', (config) => config.set('k', long)),
    ]) {
      expect(write).toThrow('VALUE_NOT_SUPPORTED');
    }
  });
});

describe('whose a task is', () => {
  it('decides who may change it: its user, in any session, and pool-operators', () => {
    for (const change of [
      (ref: string, caller: Caller) => tasks.cancel(ref, caller, BY),
      (ref: string, caller: Caller) => tasks.setStatus(ref, caller, 'success'),
      (ref: string, caller: Caller) =>
        tasks.changeOtherConfig(ref, caller, 'm', (config) => config),
      (ref: string, caller: Caller) => tasks.destroy(ref, caller, BY),
      (ref: string, caller: Caller) => tasks.adopt(ref, caller),
    ]) {
      const ref = create(ANNA);
      expect(() => change(ref, BERT)).toThrow('RBAC_PERMISSION_DENIED');
      change(ref, OPERATOR);
      change(create(ANNA), ANNA_AGAIN);
    }
  });

  it('is known of sessions', () => {
    const [one, other] = [create(ANNA), create(ANNA_AGAIN)];
    expect(tasks.ofSession(ANNA.session)).toEqual([one]);
    expect(tasks.ofSession(ANNA_AGAIN.session)).toEqual([other]);
  });
});

describe('tasks that are long over', () => {
  it('go 65 minutes after their end; what runs stays, what only waits for its maker goes after a day', () => {
    const [ended, running, waiting, adopted] = [create(), begin().ref, create(), create()];
    tasks.adopt(adopted, ANNA);
    tasks.setStatus(ended, ANNA, 'success');
    tasks.observe(now + ENDED_XEN_TASK_MS);
    expect(objects.count('task')).toBe(4);
    tasks.observe(now + ENDED_XEN_TASK_MS + 1);
    expect(objects.refs('task')).toEqual([running, waiting, adopted]);
    tasks.observe(now + PENDING_XEN_TASK_MS + 1);
    expect(objects.refs('task')).toEqual([running, adopted]);
  });

  it('go when there are more than 200, the oldest first', () => {
    const refs = Array.from({ length: MAX_ENDED_XEN_TASKS + 3 }, () => create());
    const pending = create();
    for (const ref of refs) tasks.setStatus(ref, ANNA, 'success');
    tasks.observe(now);
    expect(objects.refs('task')).toEqual([...refs.slice(3), pending]);
  });

  it('make room for new ones; of those that have not ended there are at most so many', () => {
    const refs = Array.from({ length: MAX_PENDING_XEN_TASKS }, () => create());
    expect(() => begin()).toThrow('TOO_MANY_PENDING_TASKS');
    tasks.setStatus(refs[0] ?? '', ANNA, 'success');
    begin();
  });
});
