import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { map, set } from '../../../../src/xenapi/datamodel/description.ts';
import type { IncomingCall } from '../../../../src/xenapi/transport/dispatch-port.ts';
import { MAX_RPC_BODY_BYTES } from '../../../../src/xenapi/transport/limits.ts';
import { unmarshal } from '../../../../src/xenapi/wire/unmarshal.ts';
import { XenError } from '../../../../src/xenapi/xen-error.ts';
import { ask } from './raw-client.ts';
import { type Served, served } from './served.ts';

const XML = (method: string, ...values: readonly string[]): string =>
  `<?xml version='1.0'?><methodCall><methodName>${method}</methodName><params>${values.map((value) => `<param><value>${value}</value></param>`).join('')}</params></methodCall>`;

let server: Served;
let calls: IncomingCall[];

beforeAll(async () => {
  server = await served(async (call) => {
    calls.push(call);
    switch (call.method) {
      case 'echo':
        return {
          type: 'string',
          value: unmarshal('string', call.parameters[0] ?? '', 'text'),
        };
      case 'fail':
        throw new XenError('HANDLE_INVALID', ['VDI', 'OpaqueRef:1']);
      case 'break':
        throw new RangeError('it broke');
      case 'lie':
        return { type: map('string', 'int'), value: new Map([['k', 'secret']]) };
      case 'system.listMethods':
        if (call.parameters.length > 0) {
          throw new XenError('MESSAGE_PARAMETER_COUNT_MISMATCH', [call.method, '0', '1']);
        }
        return { type: set('string'), value: ['a.b', 'c.d'] };
      default:
        throw new XenError('MESSAGE_METHOD_UNKNOWN', [call.method]);
    }
  });
});
beforeEach(() => {
  calls = [];
});
afterAll(() => server.close());

const success = (value: string): string =>
  `<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>Status</name><value>Success</value></member><member><name>Value</name>${value}</member></struct></value></param></params></methodResponse>`;
const failure = (...texts: readonly string[]): string =>
  `<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>Status</name><value>Failure</value></member><member><name>ErrorDescription</name><value><array><data>${texts.map((text) => `<value>${text}</value>`).join('')}</data></array></value></member></struct></value></param></params></methodResponse>`;

describe('a call over HTTP', () => {
  it('by XML-RPC is answered with these headers and no others', async () => {
    const body = success('<value>é</value>');
    expect(await ask(server.port, 'POST / HTTP/1.1', XML('echo', 'é'))).toStrictEqual({
      status: 'HTTP/1.1 200 OK',
      headers: {
        'content-type': 'text/xml',
        'content-length': String(Buffer.byteLength(body)),
        'cache-control': 'no-cache, no-store',
        'access-control-allow-origin': '*',
        'access-control-allow-headers': 'X-Requested-With',
      },
      body,
    });
  });

  it('by JSON-RPC is answered with these headers and no others', async () => {
    const call = '{"jsonrpc":"2.0","method":"echo","params":["é"],"id":4}';
    const body = '{"jsonrpc":"2.0","result":"é","id":4}';
    expect(await ask(server.port, 'POST /jsonrpc HTTP/1.1', call)).toStrictEqual({
      status: 'HTTP/1.1 200 OK',
      headers: {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
        'cache-control': 'no-cache, no-store',
        'access-control-allow-origin': '*',
        'access-control-allow-headers': 'X-Requested-With',
      },
      body,
    });
    const old = await ask(
      server.port,
      'POST /jsonrpc HTTP/1.1',
      '{"method":"echo","params":["x"],"id":"4"}',
    );
    expect(old.body).toBe('{"result":"x","error":null,"id":"4"}');
  });

  it.each([
    ...['/', '/RPC2', '/xmlrpc', '/json', '/anything/else', '/RPC2?a=b', '/jsonrp', '/jsonrpcx'],
    ...['//', '/%20', '/services/SM', `/${'x'.repeat(1000)}`],
  ])('posted to %s is XML-RPC', async (path) => {
    const { body } = await ask(server.port, `POST ${path} HTTP/1.1`, XML('echo', 'x'));
    expect(body).toBe(success('<value>x</value>'));
  });

  it.each(['/jsonrpc', '/jsonrpc/', '/jsonrpc?x', '/jsonrpc/more'])(
    'posted to %s is JSON-RPC',
    async (path) => {
      const call = '{"method":"echo","params":["x"],"id":1}';
      const { body } = await ask(server.port, `POST ${path} HTTP/1.1`, call);
      expect(body).toBe('{"result":"x","error":null,"id":1}');
    },
  );

  it.each([
    ...['text/xml', 'application/json; charset=utf-8', 'text/plain', 'x', ';;;', '/', ' ', '"'],
    'multipart/form-data',
  ])('may call its body %s', async (type) => {
    const { status } = await ask(server.port, 'POST / HTTP/1.1', XML('echo', 'x'), [
      `content-type: ${type}`,
    ]);
    expect(status).toBe('HTTP/1.1 200 OK');
  });

  it('fails in the words of its wire', async () => {
    const xml = await ask(server.port, 'POST / HTTP/1.1', XML('fail'));
    expect(xml).toMatchObject({
      status: 'HTTP/1.1 200 OK',
      headers: { 'content-type': 'text/xml' },
      body: failure('HANDLE_INVALID', 'VDI', 'OpaqueRef:1'),
    });
    const json = await ask(
      server.port,
      'POST /jsonrpc HTTP/1.1',
      '{"jsonrpc":"2.0","method":"fail","id":1}',
    );
    expect(json).toMatchObject({
      status: 'HTTP/1.1 200 OK',
      body: '{"jsonrpc":"2.0","error":{"code":1,"message":"HANDLE_INVALID","data":["VDI","OpaqueRef:1"]},"id":1}',
    });
    const unknown = await ask(server.port, 'POST / HTTP/1.1', XML('no&lt;such'));
    expect(unknown.body).toBe(failure('MESSAGE_METHOD_UNKNOWN', 'no&lt;such'));
    const wrong = await ask(server.port, 'POST / HTTP/1.1', XML('echo', '<int>5</int>'));
    expect(wrong.body).toBe(
      failure('INTERNAL_ERROR', 'text: a string was expected, not the number 5'),
    );
  });

  it('tells of our own mistakes the message, and logs the rest', async () => {
    const broken = await ask(server.port, 'POST / HTTP/1.1', XML('break'));
    expect(broken.body).toBe(failure('INTERNAL_ERROR', 'it broke'));
    expect(server.log()).toContain('"method":"break"');
    expect(server.log()).toContain('calls.test.ts');
    const lied = await ask(server.port, 'POST / HTTP/1.1', XML('lie'));
    expect(lied.body).toBe(failure('INTERNAL_ERROR', 'string instead of a safe integer'));
    expect(server.log()).not.toContain('secret');
  });

  it('of system.listMethods has no status in XML-RPC', async () => {
    const xml = await ask(server.port, 'POST / HTTP/1.1', XML('system.listMethods'));
    expect(xml.body).toBe(
      '<?xml version="1.0"?><methodResponse><params><param><value><array><data><value>a.b</value><value>c.d</value></data></array></value></param></params></methodResponse>',
    );
    const call = '{"method":"system.listMethods","params":[],"id":1}';
    const json = await ask(server.port, 'POST /jsonrpc HTTP/1.1', call);
    expect(json.body).toBe('{"result":["a.b","c.d"],"error":null,"id":1}');
    const failed = await ask(server.port, 'POST / HTTP/1.1', XML('system.listMethods', 'x'));
    expect(failed.body).toBe(
      failure('MESSAGE_PARAMETER_COUNT_MISMATCH', 'system.listMethods', '0', '1'),
    );
  });

  it('says where it comes from and what it is a part of', async () => {
    const subtasks = async (...headers: readonly string[]) => {
      await ask(server.port, 'POST / HTTP/1.1', XML('echo', 'x'), headers);
      return calls.at(-1)?.subtaskOf;
    };
    expect(await subtasks()).toBeUndefined();
    expect(await subtasks('subtask-of: OpaqueRef:1')).toBe('OpaqueRef:1');
    expect(await subtasks('subtask-of: OpaqueRef:1', 'task-id: OpaqueRef:2')).toBe('OpaqueRef:2');
    expect(calls.at(-1)).toMatchObject({
      ...{ method: 'echo', parameters: ['x'], address: '127.0.0.1', headers: { host: 'x' } },
    });
  });
});

describe('what is no call', () => {
  it.each<[string, string, string, string]>([
    ['malformed XML', '/', '<methodCall>', 'malformed-xml'],
    ['a document type', '/RPC2', `<!DOCTYPE a>${XML('echo').slice(21)}`, 'document-type'],
    ['malformed JSON', '/jsonrpc', '{', 'malformed-json'],
    ['XML for JSON', '/jsonrpc', XML('echo'), 'malformed-json'],
    ['a notification', '/jsonrpc', '{"method":"echo","params":["x"]}', 'notification'],
    ['no params', '/jsonrpc', '{"method":"echo","id":1}', 'no-call'],
    ['nothing', '/', '', 'malformed-xml'],
  ])('is answered with a page: %s', async (_what, path, body, violation) => {
    const answer = await ask(server.port, `POST ${path} HTTP/1.1`, body, [
      ...(body === '' ? ['content-length: 0'] : []),
    ]);
    expect(answer.status).toBe('HTTP/1.1 500 Internal Server Error');
    expect(answer.headers).toMatchObject({
      'content-type': 'text/html',
      'cache-control': 'no-cache, no-store',
    });
    expect(answer.body).toMatch(/^<html><body><h1>HTTP 500 internal server error<\/h1>/);
    expect(answer.body).toContain(violation);
    expect(calls).toStrictEqual([]);
  });

  it('cannot put markup into the page', async () => {
    const { body } = await ask(server.port, 'POST / HTTP/1.1', '<a b="1"><script>');
    expect(body).toContain('&lt;a&gt; instead of &lt;methodCall&gt;');
    expect(body.replace('<html><body><h1>', '').replace('</h1>', '')).not.toContain('<a');
  });

  it('is what is too large', async () => {
    const fits = XML('echo', 'x'.repeat(MAX_RPC_BODY_BYTES - XML('echo', '').length));
    expect((await ask(server.port, 'POST / HTTP/1.1', fits)).status).toBe('HTTP/1.1 200 OK');
    const answer = await ask(server.port, 'POST / HTTP/1.1', ` ${fits}`);
    expect(answer.status).toBe('HTTP/1.1 413 Payload Too Large');
    expect(answer.headers['content-type']).toBe('text/html');
    expect(answer.body).toContain('at most 307200 bytes');
  });
});

describe('another request', () => {
  it('of a browser is told what this is', async () => {
    const answer = await ask(server.port, 'GET / HTTP/1.1');
    expect(answer).toMatchObject({
      status: 'HTTP/1.1 200 OK',
      headers: { 'content-type': 'text/html', 'cache-control': 'no-cache, no-store' },
    });
    expect(answer.body).toContain('<h1>Rootcast &lt;test&gt;</h1>');
    expect((await ask(server.port, 'HEAD / HTTP/1.1')).status).toBe('HTTP/1.1 200 OK');
  });

  it.each([
    ['GET /x', 404],
    ['HEAD /x', 404],
    ['PUT /x', 403],
    ['PUT /', 403],
    ['DELETE /', 501],
    ['PATCH /RPC2', 501],
    ['PROPFIND /', 501],
  ])('%s is answered with %i', async (request, status) => {
    const answer = await ask(server.port, `${request} HTTP/1.1`);
    expect(answer.status).toContain(`HTTP/1.1 ${status}`);
    expect(answer.headers['content-type']).toBe('text/html');
  });

  it('that is refused may have a body', async () => {
    const answer = await ask(server.port, 'PUT /x HTTP/1.1', 'x'.repeat(2_000_000));
    expect(answer.status).toBe('HTTP/1.1 403 Forbidden');
  });

  it.each(['/', '/json', '/jsonrpc', '/RPC2'])(
    'OPTIONS %s lets pages of others call',
    async (path) => {
      expect(await ask(server.port, `OPTIONS ${path} HTTP/1.1`)).toStrictEqual({
        status: 'HTTP/1.1 200 OK',
        headers: {
          'content-length': '0',
          'cache-control': 'no-cache, no-store',
          'access-control-allow-origin': '*',
          'access-control-allow-headers': 'X-Requested-With',
          'access-control-allow-methods': 'PUT',
        },
        body: '',
      });
      const asked = await ask(server.port, `OPTIONS ${path} HTTP/1.1`, '', [
        'access-control-request-headers: content-type, x-a',
      ]);
      expect(asked.headers['access-control-allow-headers']).toBe(
        'content-type, x-a, X-Requested-With',
      );
    },
  );
});
