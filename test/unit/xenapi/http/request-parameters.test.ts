import { describe, expect, it } from 'vitest';
import { credentialsOf } from '../../../../src/xenapi/http/credentials.ts';
import { RequestParameters } from '../../../../src/xenapi/http/request-parameters.ts';

describe('parameters of a request', () => {
  it.each([
    ['a=1;b=2', { a: '1', b: '2' }],
    [' a=1 ; b=2 ', { a: '1', b: '2' }],
    ['a=1&b=2', { a: '1', b: '2' }],
    // Where there is a semicolon, an ampersand is a part of the value.
    ['a=1&b=2;c=3', { a: '1&b=2', b: undefined, c: '3' }],
    ['a=OpaqueRef%3Ax;b=100%', { a: 'OpaqueRef:x', b: '100%' }],
    ['a=1;a=2;nothing;=x', { a: '1', nothing: undefined }],
    ['a==x=', { a: '=x=' }],
    ['', { a: undefined }],
  ])('of the cookies %j are %j', (cookie, wanted) => {
    const parameters = new RequestParameters('/path', cookie);
    for (const [name, value] of Object.entries(wanted)) {
      expect(parameters.cookieFirst(name)).toBe(value);
      expect(parameters.queryFirst(name)).toBe(value);
    }
  });

  it('are of the query and of the cookies, of which one counts more', () => {
    const parameters = new RequestParameters('/path?a=query&b=query&d=', 'a=cookie;c=cookie');
    expect(parameters.cookieFirst('a')).toBe('cookie');
    expect(parameters.queryFirst('a')).toBe('query');
    expect(parameters.cookieFirst('b')).toBe('query');
    expect(parameters.queryFirst('c')).toBe('cookie');
    expect(parameters.queryFirst('d')).toBe('');
    expect(new RequestParameters('/path', undefined).queryFirst('a')).toBeUndefined();
  });
});

describe('credentials', () => {
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
  const of = (url: string, authorization?: string) =>
    credentialsOf(new RequestParameters(url, undefined), authorization);

  it('are a session, or else a password', () => {
    const session = { kind: 'session', session: 'OpaqueRef:x' };
    expect(of('/?session_id=OpaqueRef:x', basic('root:secret'))).toEqual(session);
    expect(of('/', basic('root:se:cret ü'))).toEqual({
      kind: 'password',
      user: 'root',
      password: 'se:cret ü',
    });
    expect(of('/', basic('root:').replace('Basic', 'bAsIc'))).toMatchObject({ password: '' });
  });

  it.each([undefined, '', 'Basic', 'Basic !', basic('no colon'), 'Bearer cm9vdDp4', 'Negotiate x'])(
    'are none: %j',
    (authorization) => {
      expect(of('/', authorization)).toBeUndefined();
    },
  );
});
