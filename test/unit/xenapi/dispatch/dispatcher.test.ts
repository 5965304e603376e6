import { beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import type { ApiType, Role } from '../../../../src/xenapi/datamodel/description.ts';
import { Dispatcher } from '../../../../src/xenapi/dispatch/dispatcher.ts';
import { MessageTable } from '../../../../src/xenapi/dispatch/message-table.ts';
import { Objects } from '../../../../src/xenapi/objects/objects.ts';
import { NULL_REF, refOf, uuidOf } from '../../../../src/xenapi/objects/refs.ts';
import { type XenError, xenError } from '../../../../src/xenapi/xen-error.ts';
import { RigTasks } from '../../../support/xen-rig.ts';
import { BOOK, implement, SHELF } from '../support.ts';

const SESSION = 'OpaqueRef:good';
const OWN = { kind: 'own', id: '' } as const;
const SHELF_1 = refOf('Shelf', '1');
const BOOK_1 = refOf('Book', '1');

let objects: Objects;
let tasks: RigTasks;
let role: Role;
let told: string[];
let moved: () => string | Promise<string>;
let dispatcher: Dispatcher<unknown>;

beforeEach(() => {
  objects = new Objects([SHELF, BOOK], 1);
  tasks = new RigTasks();
  role = 'pool-admin';
  told = [];
  moved = () => 'moved';
  const shelf = { name_label: 'first', tags: ['a'], other_config: new Map([['k', 'v']]) };
  objects.put('Shelf', SHELF_1, { uuid: uuidOf('Shelf', '1'), ...shelf }, OWN);
  const book = { uuid: uuidOf('Book', '1'), shelf: SHELF_1, pages: 7, cover: 'soft' };
  objects.put('Book', BOOK_1, book, OWN);
  const set = (description: { name: string }, ref: string, field: string, value: unknown): void => {
    const record = objects.requireAny(description.name, ref);
    const { books: _books, ...base } = record as { readonly books?: unknown };
    objects.put(description.name, ref, { ...base, [field]: value }, OWN);
  };
  const table = new MessageTable(
    [
      implement(SHELF, {}),
      implement(BOOK, {
        move: (call, { self, shelf: to, quietly }) => {
          told.push(`${call.caller.user} ${self === BOOK_1} ${to === NULL_REF} ${quietly}`);
          return moved();
        },
        count: () => objects.count('Book'),
        hello: (stranger, { name }) => `hello ${name} from ${stranger.address}`,
        create: (_call, given) => {
          told.push(JSON.stringify(given));
          return BOOK_1;
        },
        destroy: (_call, { self }) => objects.delete('Book', self),
      }),
    ],
    objects,
    set,
  );
  dispatcher = new Dispatcher<unknown>({
    ...{ table, objects, tasks },
    callerOf: (session) => {
      if (session !== SESSION) throw xenError('SESSION_INVALID', session);
      return { session, user: 'ann', role };
    },
    unmarshal: (_type: ApiType, value: unknown) => value,
    resultText: (_type, value) => `<value>${String(value)}</value>`,
    failed: (method, error) => void told.push(`${method} failed: ${String(error)}`),
  });
});

async function call(method: string, ...parameters: unknown[]): Promise<unknown> {
  const request = { method, parameters, address: '192.0.2.1', subtaskOf: undefined };
  return (await dispatcher.dispatch(request)).value;
}

async function refusal(method: string, ...parameters: unknown[]): Promise<readonly string[]> {
  return call(method, ...parameters).then(
    (value) => [`answered ${JSON.stringify(value)}`],
    (error: unknown) => (error as XenError).description,
  );
}

describe('a call', () => {
  it('is given its parameters by name, those left out by default', async () => {
    await expect(call('Book.move', SESSION, BOOK_1, NULL_REF)).resolves.toBe('moved');
    await expect(call('Book_move', SESSION, BOOK_1, SHELF_1, true, 'surplus')).resolves.toBe(
      'moved',
    );
    expect(told).toEqual(['ann true true false', 'ann true false true']);
  });

  it('needs a session that is good, known method or not', async () => {
    expect(await refusal('Book.count', 'bad')).toEqual(['SESSION_INVALID', 'bad']);
    expect(await refusal('Book.nothing', 'bad')).toEqual(['SESSION_INVALID', 'bad']);
    expect(await refusal('Book.nothing', SESSION)).toEqual([
      'MESSAGE_METHOD_UNKNOWN',
      'Book.nothing',
    ]);
    expect(await refusal('Book.nothing')).toEqual(['MESSAGE_METHOD_UNKNOWN', 'Book.nothing']);
    expect(await refusal('book.count', SESSION)).toEqual(['MESSAGE_METHOD_UNKNOWN', 'book.count']);
  });

  it('needs no session where the message says so', async () => {
    await expect(call('Book.hello', 'ann')).resolves.toBe('hello ann from 192.0.2.1');
    expect(await refusal('Book.hello')).toEqual([
      'MESSAGE_PARAMETER_COUNT_MISMATCH',
      'Book.hello',
      '1',
      '0',
    ]);
  });

  it('counts parameters as xapi does', async () => {
    const mismatch = (expected: string, received: string, method: string) => [
      'MESSAGE_PARAMETER_COUNT_MISMATCH',
      method,
      expected,
      received,
    ];
    expect(await refusal('Book.move', SESSION, BOOK_1)).toEqual(mismatch('2', '1', 'Book.move'));
    expect(await refusal('Book.count', SESSION, 1)).toEqual(mismatch('0', '1', 'Book.count'));
  });

  it('is refused to whoever may not', async () => {
    role = 'read-only';
    const [code, permission] = await refusal('Book.move', SESSION, BOOK_1, SHELF_1);
    expect([code, permission]).toEqual(['RBAC_PERMISSION_DENIED', 'book.move']);
    await expect(call('Book.count', SESSION)).resolves.toBe(1);
    role = 'vm-operator';
    await expect(call('Shelf.add_tags', SESSION, SHELF_1, 'b')).resolves.toBeUndefined();
    expect((await refusal('Shelf.add_to_other_config', SESSION, SHELF_1, 'x', 'y'))[0]).toBe(
      'RBAC_PERMISSION_DENIED',
    );
  });

  it('is refused for refs of objects that are not there, but null where it is not about itself', async () => {
    const gone = refOf('Shelf', 'gone');
    expect(await refusal('Book.move', SESSION, BOOK_1, gone)).toEqual([
      'HANDLE_INVALID',
      'Shelf',
      gone,
    ]);
    expect(await refusal('Book.move', SESSION, NULL_REF, SHELF_1)).toEqual([
      'HANDLE_INVALID',
      'Book',
      NULL_REF,
    ]);
  });

  it('tells a fault of the control plane in the words of XenAPI, and an error of ours without its stack', async () => {
    moved = () => {
      throw new Fault('NO_SPACE', 'the repository is full');
    };
    expect(await refusal('Book.move', SESSION, BOOK_1, SHELF_1)).toEqual([
      'SR_BACKEND_FAILURE_44',
      '',
      'the repository is full',
      '',
    ]);
    moved = () => Promise.reject(new TypeError('x is undefined'));
    expect(await refusal('Book.move', SESSION, BOOK_1, SHELF_1)).toEqual([
      'INTERNAL_ERROR',
      'x is undefined',
    ]);
    expect(told.filter((line) => line.includes('failed'))).toEqual([
      'Book.move failed: TypeError: x is undefined',
    ]);
  });
});

describe('messages that follow from the fields', () => {
  it('list, find and read', async () => {
    await expect(call('Shelf.get_all', SESSION)).resolves.toEqual([SHELF_1]);
    await expect(call('Shelf.get_by_uuid', SESSION, uuidOf('Shelf', '1'))).resolves.toBe(SHELF_1);
    await expect(call('Shelf.get_by_name_label', SESSION, 'first')).resolves.toEqual([SHELF_1]);
    await expect(call('Shelf.get_by_name_label', SESSION, 'x')).resolves.toEqual([]);
    await expect(call('Shelf.get_books', SESSION, SHELF_1)).resolves.toEqual([BOOK_1]);
    const all = await call('Book.get_all_records', SESSION);
    expect(all).toEqual(new Map([[BOOK_1, await call('Book.get_record', SESSION, BOOK_1)]]));
    expect(await refusal('Shelf.get_by_uuid', SESSION, 'x')).toEqual([
      'UUID_INVALID',
      'Shelf',
      'x',
    ]);
  });

  it('set, add and remove', async () => {
    await call('Shelf.set_tags', SESSION, SHELF_1, ['x']);
    await call('Shelf.add_tags', SESSION, SHELF_1, 'y');
    await call('Shelf.add_tags', SESSION, SHELF_1, 'y');
    await call('Shelf.remove_tags', SESSION, SHELF_1, 'x');
    await expect(call('Shelf.get_tags', SESSION, SHELF_1)).resolves.toEqual(['y']);
    await call('Shelf.add_to_other_config', SESSION, SHELF_1, '__proto__', 'p');
    await call('Shelf.remove_from_other_config', SESSION, SHELF_1, 'k');
    await call('Shelf.remove_from_other_config', SESSION, SHELF_1, 'missing');
    await expect(call('Shelf.get_other_config', SESSION, SHELF_1)).resolves.toEqual(
      new Map([['__proto__', 'p']]),
    );
    expect(await refusal('Shelf.add_to_other_config', SESSION, SHELF_1, '__proto__', 'q')).toEqual([
      'MAP_DUPLICATE_KEY',
      'Shelf',
      'other_config',
      SHELF_1,
      '__proto__',
    ]);
  });

  it('have no setter for what is not to be set, and no Async form', async () => {
    expect((await refusal('Shelf.set_name_label', SESSION, SHELF_1, 'x'))[0]).toBe(
      'MESSAGE_METHOD_UNKNOWN',
    );
    expect(await refusal('Async.Shelf.get_all', SESSION)).toEqual([
      'INTERNAL_ERROR',
      'No async mode for this operation',
    ]);
  });

  it('are listed, with what the class describes', async () => {
    const names = (await call('system.listMethods')) as string[];
    expect(names).toContain('Book.move');
    expect(names).toContain('Shelf.get_all_records');
    expect(names.some((name) => name.includes('_move'))).toBe(false);
    expect(names).toEqual([...names].sort());
  });

  it('give back what they are asked with, to see whether anybody is there', async () => {
    expect(await call('system.isAlive:x', 'anybody?')).toBe('anybody?');
    expect(await call('system.isAlive:x')).toBe('');
  });

  it('make an object of a struct, whose missing members have their defaults', async () => {
    await call('Book.create', SESSION, { shelf: SHELF_1, pages: 3 });
    expect(told).toEqual([JSON.stringify({ shelf: SHELF_1, pages: 3, cover: 'soft' })]);
    await call('Book.destroy', SESSION, BOOK_1);
    expect(objects.count('Book')).toBe(0);
  });
});

describe('an Async call', () => {
  it('is answered with a task, which ends with its result as text', async () => {
    const task = (await call('Async.Book.move', SESSION, BOOK_1, SHELF_1)) as string;
    await expect.poll(() => tasks.results.get(task)).toEqual({ result: '<value>moved</value>' });
  });

  it('is refused at once for what is wrong with the call', async () => {
    expect((await refusal('Async.Book.move', SESSION, BOOK_1))[0]).toBe(
      'MESSAGE_PARAMETER_COUNT_MISMATCH',
    );
    expect(await refusal('Async.Book.move', 'bad', BOOK_1, SHELF_1)).toEqual([
      'SESSION_INVALID',
      'bad',
    ]);
  });

  it('fails in its task, and says what a cancel did', async () => {
    moved = () => Promise.reject(new Fault('CANCELLED', 'cancelled'));
    const task = (await call('Async.Book.move', SESSION, BOOK_1, SHELF_1)) as string;
    await expect.poll(() => tasks.results.get(task)).toEqual({ error: ['TASK_CANCELLED', task] });
  });
});
