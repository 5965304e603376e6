import { afterEach, describe, expect, it } from 'vitest';
import { map, set } from '../../../../src/xenapi/datamodel/description.ts';
import type { Dispatch, IncomingCall } from '../../../../src/xenapi/transport/dispatch-port.ts';
import { WHOLE_REPLY_CHARACTERS } from '../../../../src/xenapi/transport/limits.ts';
import type { TransportOptions } from '../../../../src/xenapi/transport/routes.ts';
import { PIECE_CHARACTERS } from '../../../../src/xenapi/wire/limits.ts';
import { until } from '../../../support/until.ts';
import { ask, parseAnswer, RawClient } from './raw-client.ts';
import { type Served, served } from './served.ts';

const ended: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

async function serve(
  dispatch: Dispatch,
  options: Partial<TransportOptions> = {},
  extend?: Parameters<typeof served>[2],
): Promise<Served> {
  const server = await served(dispatch, options, extend);
  ended.push(server.close);
  return server;
}

function dial({ port }: Served): RawClient {
  const client = new RawClient(port);
  ended.push(() => {
    client.socket.destroy();
  });
  return client;
}

const echoMethod: Dispatch = async ({ method }) => ({ type: 'string', value: method });

const body = (method: string): string => `{"method":"${method}","params":[],"id":1}`;
const post = (method: string, more = '', version = '1.1'): string =>
  `POST /jsonrpc HTTP/${version}\r\nhost: x\r\n${more}content-length: ${body(method).length}\r\n\r\n${body(method)}`;
const answered = (method: string): string => `{"result":"${method}","error":null,"id":1}`;

/** A call that waits until it is let go, or its client is gone. */
function waiting(): { readonly dispatch: Dispatch; readonly calls: IncomingCall[]; letGo(): void } {
  const calls: IncomingCall[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    calls,
    letGo: resolve,
    dispatch: async (call) => {
      calls.push(call);
      await promise;
      return { type: 'string', value: call.method };
    },
  };
}

describe('a connection', () => {
  it('is kept for the next call', async () => {
    const client = dial(await serve(echoMethod));
    await client.send(post('one')).untilReceived(answered('one'));
    await client.send(post('two')).untilReceived(answered('two'));
    expect(client.closed).toBe(false);
  });

  it('is closed when the client says so', async () => {
    const client = dial(await serve(echoMethod));
    const text = await client.send(post('one', 'connection: close\r\n')).untilClosed();
    expect(text.toLowerCase()).toContain('\r\nconnection: close\r\n');
    expect(parseAnswer(text).body).toBe(answered('one'));
  });

  it('of a client of HTTP/1.0 is closed, and the answer has its length', async () => {
    const client = dial(await serve(echoMethod));
    const answer = parseAnswer(await client.send(post('one', '', '1.0')).untilClosed());
    expect(answer.headers['content-length']).toBe(String(answered('one').length));
    expect(answer.body).toBe(answered('one'));
  });

  it('answers calls in the order in which they were sent, whichever is done first', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const done: string[] = [];
    const server = await serve(async ({ method }) => {
      if (method === 'slow') await promise;
      done.push(method);
      return { type: 'string', value: method };
    });
    const client = dial(server);
    client.send(post('slow') + post('fast') + post('last', 'connection: close\r\n'));
    await until('the others are done', () => done.length === 2);
    expect(client.received).toBe('');
    resolve();
    const text = await client.untilClosed();
    const at = ['slow', 'fast', 'last'].map((method) => text.indexOf(answered(method)));
    expect(at).toStrictEqual(at.toSorted((one, other) => one - other));
    expect(at[0]).toBeGreaterThan(0);
  });

  it('may be silent between calls and while one is carried out', async () => {
    const { dispatch, calls, letGo } = waiting();
    const server = await serve(dispatch, { stallMs: 50, bodyMs: 50 });
    const client = dial(server);
    client.send(post('one'));
    await until('it is under way', () => calls.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 150));
    letGo();
    await client.untilReceived(answered('one'));
    await new Promise((resolve) => setTimeout(resolve, 150));
    await client.send(post('two')).untilReceived(answered('two'));
  });

  it('takes a body in chunks', async () => {
    const client = dial(await serve(echoMethod));
    client.send(
      'POST /jsonrpc HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\na\r\n{"method":\r\n',
    );
    client.send('1c\r\n"m","params":[],"id":1}     \r\n0\r\n\r\n');
    await client.untilReceived(answered('m'));
  });

  it('that sends half a body is cut off, and nothing is carried out', async () => {
    const calls: string[] = [];
    const server = await serve(
      async ({ method }) => {
        calls.push(method);
        return { type: 'string', value: method };
      },
      { bodyMs: 50 },
    );
    const client = dial(server);
    client.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n<methodCall>');
    expect(await client.untilClosed()).toBe('');
    expect(calls).toStrictEqual([]);
    expect(server.log()).not.toContain('"level":50');
    expect((await ask(server.port, 'POST /jsonrpc HTTP/1.1', body('m'))).body).toBe(answered('m'));
  });

  it('that sends on and on is told that it is too much, and cut off', async () => {
    const server = await serve(echoMethod, { bodyMs: 100 });
    const client = dial(server);
    client.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n');
    client.send('x'.repeat(400_000));
    await client.untilReceived('413 Payload Too Large');
    await client.untilClosed();
  });

  it('that sends on and on to where nothing is accepted is cut off too', async () => {
    const client = dial(await serve(echoMethod, { bodyMs: 100 }));
    client.send('PUT /x HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n');
    await client.untilReceived('403 Forbidden');
    await client.untilClosed();
  });

  it('that ends in the middle of a body leaves nothing', async () => {
    const server = await serve(echoMethod);
    const client = dial(server);
    client.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n<methodCall>');
    await until('it is there', () => server.log().includes('incoming request'));
    client.socket.destroy();
    await until('it is gone', async () => (await connectionsOf(server)) === 0);
    expect(server.log()).not.toContain('"level":50');
  });

  it('that ends tells all of its calls', async () => {
    const { dispatch, calls, letGo } = waiting();
    const server = await serve(dispatch);
    const client = dial(server);
    client.send(post('one') + post('two'));
    await until('both are under way', () => calls.length === 2);
    expect(calls.map(({ signal }) => signal.aborted)).toStrictEqual([false, false]);
    client.socket.destroy();
    await until('both know', () => calls.every(({ signal }) => signal.aborted));
    letGo();
    expect((await ask(server.port, 'POST /jsonrpc HTTP/1.1', body('m'))).body).toBe(answered('m'));
    expect(server.log()).not.toContain('"level":50');
  });

  it('tells no call that has its answer', async () => {
    const calls: IncomingCall[] = [];
    const server = await serve(async (call) => {
      calls.push(call);
      return { type: 'string', value: call.method };
    });
    const client = dial(server);
    await client.send(post('one')).untilReceived(answered('one'));
    client.socket.destroy();
    await until('it is gone', async () => (await connectionsOf(server)) === 0);
    expect(calls.map(({ signal }) => signal.aborted)).toStrictEqual([false]);
  });

  it('of a client that asks before it sends is told to go on', async () => {
    for (const own of [false, true]) {
      const server = await serve(echoMethod, {}, (app) => {
        if (own) app.server.on('checkContinue', (...both) => app.server.emit('request', ...both));
      });
      const client = dial(server);
      client.send(
        `POST /jsonrpc HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: ${body('m').length}\r\n\r\n`,
      );
      await client.untilReceived('HTTP/1.1 100 Continue\r\n\r\n');
      await client.send(body('m')).untilReceived(answered('m'));
    }
  });

  it('has routes of others beside these, with parsers of their own', async () => {
    const server = await serve(echoMethod, {}, (app) => {
      app.put('/import_raw_vdi', async (request) => ({ got: request.body }));
      app.post('/services', async (request) => ({ got: request.body }));
    });
    const json = ['content-type: application/json'];
    const put = await ask(server.port, 'PUT /import_raw_vdi HTTP/1.1', '{"a":1}', json);
    expect(put.body).toBe('{"got":{"a":1}}');
    expect(put.headers['cache-control']).toBeUndefined();
    const own = await ask(server.port, 'POST /services HTTP/1.1', '{"a":1}', json);
    expect(own.body).toBe('{"got":{"a":1}}');
    const call = await ask(server.port, 'POST /import_raw_vdi HTTP/1.1', '<x/>');
    expect(call.status).toContain('500');
  });
});

const connectionsOf = ({ app }: Served): Promise<number> =>
  new Promise((resolve, reject) => {
    app.server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });

/** Knows how much of it was taken, and whether its reader has let it go. */
class WatchedMap extends Map<string, string> {
  taken = 0;
  left = false;

  override *entries(): ReturnType<Map<string, string>['entries']> {
    try {
      for (const entry of super.entries()) {
        this.taken++;
        yield entry;
      }
    } finally {
      this.left = true;
    }
    return undefined;
  }
}

const ENTRY = 'é<'.repeat(500);

function large(count: number): WatchedMap {
  const entries = new WatchedMap();
  for (let i = 0; i < count; i++) entries.set(`OpaqueRef:${i}`, ENTRY);
  return entries;
}

const STRINGS = map('string', 'string');

describe('a long answer', () => {
  const count = Math.ceil((3 * WHOLE_REPLY_CHARACTERS) / ENTRY.length);

  it('is sent in chunks, all of it', async () => {
    const server = await serve(async () => ({ type: STRINGS, value: large(count) }));
    const response = await fetch(`http://127.0.0.1:${server.port}/jsonrpc`, {
      method: 'POST',
      body: body('m'),
    });
    expect(response.headers.get('content-length')).toBeNull();
    expect(response.headers.get('content-type')).toBe('application/json');
    const { result } = (await response.json()) as { result: Record<string, string> };
    expect(Object.keys(result)).toHaveLength(count);
    expect(new Set(Object.values(result))).toStrictEqual(new Set([ENTRY]));
  });

  it('goes to a client of HTTP/1.0 until the connection ends', async () => {
    const server = await serve(async () => ({ type: STRINGS, value: large(count) }));
    const client = dial(server);
    const answer = parseAnswer(await client.send(post('m', '', '1.0')).untilClosed());
    expect(answer.headers['transfer-encoding']).toBeUndefined();
    expect(Object.keys((JSON.parse(answer.body) as { result: object }).result)).toHaveLength(count);
  });

  it('is made no faster than it is taken, and not at all when nobody is there', async () => {
    const value = large(40 * count);
    const server = await serve(async () => ({ type: STRINGS, value }));
    const client = dial(server);
    client.socket.pause();
    client.send(post('m'));
    let before = -1;
    await until('it stands still', async () => {
      const hasMoved = value.taken !== before;
      before = value.taken;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return value.taken > 0 && !hasMoved && value.taken === before;
    });
    expect(value.taken).toBeLessThan(value.size / 2);
    expect(value.left).toBe(false);
    client.socket.destroy();
    await until('it is let go', () => value.left);
    expect(value.taken).toBeLessThan(value.size / 2);
  });

  it('leaves others their turn while it is made', async () => {
    let turns = 0;
    const server = await serve(async () => ({ type: STRINGS, value: large(4 * count) }));
    const response = await fetch(`http://127.0.0.1:${server.port}/jsonrpc`, {
      method: 'POST',
      body: body('m'),
    });
    let isDone = false;
    const turn = (): void => {
      turns++;
      if (!isDone) setImmediate(turn);
    };
    setImmediate(turn);
    const { length } = await response.arrayBuffer().then((bytes) => Buffer.from(bytes));
    isDone = true;
    expect(turns).toBeGreaterThan((length - WHOLE_REPLY_CHARACTERS) / (4 * PIECE_CHARACTERS));
  });

  it('is given up when the client takes nothing of it', async () => {
    const value = large(40 * count);
    const server = await serve(async () => ({ type: STRINGS, value }), { stallMs: 200 });
    const client = dial(server);
    client.socket.pause();
    client.send(post('m'));
    await until('it is let go', () => value.left);
    expect(value.taken).toBeLessThan(value.size);
    await until('the connection is gone', async () => (await connectionsOf(server)) === 0);
  });

  it('waits for its turn as long as that takes', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const server = await serve(
      async ({ method }) => {
        if (method !== 'slow') return { type: STRINGS, value: large(count) };
        await promise;
        return { type: 'string', value: method };
      },
      { stallMs: 50 },
    );
    const client = dial(server);
    client.send(post('slow') + post('long', 'connection: close\r\n'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(client.closed).toBe(false);
    resolve();
    const text = await client.untilClosed();
    expect(text).toContain(answered('slow'));
    expect(text.endsWith(',"error":null,"id":1}\r\n0\r\n\r\n')).toBe(true);
  });

  it('that cannot be written to its end is cut off, and logged', async () => {
    const texts: unknown[] = Array(count).fill(ENTRY);
    texts.push(5);
    const server = await serve(async () => ({ type: set('string'), value: texts }));
    const client = dial(server);
    const text = await client.send(post('m')).untilClosed();
    expect(text).toContain('HTTP/1.1 200 OK');
    expect(text.endsWith('0\r\n\r\n')).toBe(false);
    await until('it is logged', () => server.log().includes('number instead of a string'));
  });
});
