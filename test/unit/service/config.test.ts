import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Fault } from '../../../src/errors/index.ts';
import {
  loadConfig,
  serveHelp,
  splitHostPort,
  workerCount,
  xenapiListen,
} from '../../../src/service/config/index.ts';
import { xenapiTls } from '../../../src/service/tls-files.ts';
import { xenapiAddress } from '../../../src/service/xenapi-address.ts';
import { MAXIMUM_WORKERS } from '../../../src/vdisk/overlay/limits.ts';

const folder = mkdtempSync(join(tmpdir(), 'rootcast-config-'));
let files = 0;

afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(text: string): string {
  files += 1;
  const path = join(folder, `${files}.yaml`);
  writeFileSync(path, text);
  return path;
}

function faultOf(args: string[], environment: Record<string, string> = {}): Fault {
  try {
    loadConfig(args, environment);
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    return error as Fault;
  }
  throw new Error(`accepted ${args.join(' ')}`);
}

describe('configuration', () => {
  test('defaults stand alone', () => {
    const { config } = loadConfig([], {});
    expect(config.http.listen).toBe('127.0.0.1:8480');
    expect(config.nbd.listen).toBe('0.0.0.0:10809');
    expect(config.nbd.tls.mode).toBe('off');
    expect(config.pxe.dhcp.mode).toBe('off');
    expect(config.nbd.advertise).toBeUndefined();
  });

  test('a flag wins over the environment, the environment over the file', () => {
    const file = fileWith(
      'log: {level: error}\ncache: {read: 64M}\nnbd: {listen: "127.0.0.1:1"}\n',
    );
    const environment = { ROOTCAST_LOG_LEVEL: 'warn', ROOTCAST_NBD: '127.0.0.1:2' };
    const { config } = loadConfig(['--config', file, '--nbd', '127.0.0.1:3'], environment);
    expect(config.cache.read).toBe(64 * 2 ** 20);
    expect(config.log.level).toBe('warn');
    expect(config.nbd.listen).toBe('127.0.0.1:3');
  });

  test.each([
    [['--http', 'nonsense'], 'http.listen'],
    [['--workers', 'many'], 'workers'],
    [['--workers', '65'], 'workers'],
    [['--log-level', 'loud'], 'log.level'],
    [['--cache-read', '5 parsecs'], 'cache.read'],
    [['--cache-read', '64K'], 'cache.read'],
    [['--pxe-dhcp-mode', 'full'], 'pxe.dhcp.mode'],
    [['--nbd-tls-mode', 'required'], 'nbd.tls.mode'],
    [['--config', fileWith('nbd: {listne: "127.0.0.1:1"}\n')], 'nbd.listne'],
    [['--xenapi', 'everywhere'], 'xenapi.listen'],
    [['--xenapi-address', 'a b'], 'xenapi.address'],
    [['--xenapi-root', 'perhaps'], 'xenapi.root'],
    [['--xenapi-tls-key', 'key.pem'], 'xenapi.tls.key'],
    [['--xenapi-tls-certificate', 'cert.pem'], 'xenapi.tls.certificate'],
    [['--config', '/nonexistent/rootcast.yaml'], 'config'],
    [['--config', fileWith('nbd: {listen: [')], 'config'],
    [['--config', fileWith('- a list')], 'config'],
    [['--config', fileWith('log: {level: {a: 1}}')], 'log.level'],
  ])('%j is refused by the name of %s', (args, field) => {
    const fault = faultOf(args);
    expect(fault.code).toBe('INVALID_INPUT');
    expect(fault.details.field).toBe(field);
    expect(fault.details.expected).not.toBe('');
  });

  test('a section whose settings are all commented out is empty', () => {
    const file = fileWith('pxe:\n#  address: 192.0.2.1\nlog:\n  level: error\n');
    expect(loadConfig(['--config', file], {}).config.pxe.address).toBeUndefined();
  });

  test('an unknown flag is refused', () => {
    expect(faultOf(['--colour']).message).toContain('--colour');
  });

  test('the help names every setting', () => {
    expect(serveHelp()).toContain('--nbd-tls-mode');
    expect(serveHelp()).toContain('--pxe-dhcp-range-start');
  });

  test.each([
    [[], { host: '127.0.0.1', port: 8482 }],
    [['--xenapi', '[::]:0'], { host: '::', port: 0 }],
    [['--xenapi', 'off'], undefined],
    [['--xenapi', ''], undefined],
    [['--config', fileWith('xenapi: {listen: ""}\n')], undefined],
  ])('%j has XenAPI listen at %j', (args, where) => {
    expect(xenapiListen(loadConfig(args, {}).config)).toEqual(where);
  });

  test('XenAPI has a user root unless it is said otherwise', () => {
    expect(loadConfig([], {}).config.xenapi).toMatchObject({ root: true });
    expect(loadConfig([], { ROOTCAST_XENAPI_ROOT: 'no' }).config.xenapi.root).toBe(false);
    const file = fileWith('xenapi: {root: false, tls: {certificate: a, key: b}}\n');
    expect(loadConfig(['--config', file], {}).config.xenapi).toMatchObject({
      ...{ root: false, tls: { certificate: 'a', key: 'b' } },
    });
  });

  test('the files of XenAPI’s TLS are read at start', () => {
    const [certificate, key] = [fileWith('certificate'), fileWith('key')];
    expect(xenapiTls(undefined)).toBeUndefined();
    expect(xenapiTls({})).toBeUndefined();
    expect(xenapiTls({ certificate, key })).toEqual({ certificate: 'certificate', key: 'key' });
    expect(() => xenapiTls({ certificate, key: '/nonexistent' })).toThrow(/xenapi\.tls\.key/);
  });

  test.each([
    [['--xenapi-address', 'store.example', '--xenapi', '192.0.2.1:1'], 'store.example'],
    [['--xenapi', '192.0.2.1:1'], '192.0.2.1'],
    [['--xenapi', '[2001:db8::7]:1'], '2001:db8::7'],
    [['--xenapi', '0.0.0.0:1'], '192.0.2.9'],
    [['--xenapi', '[::]:1'], '192.0.2.9'],
    [['--xenapi', 'off'], '192.0.2.9'],
    [['--xenapi', '0.0.0.0:1', '--pxe-address', '192.0.2.3'], '192.0.2.3'],
  ])('%j is reached by %s', (args, address) => {
    const own = ['127.0.0.1', '::1', 'fe80::1', '2001:db8::1', '192.0.2.9', '192.0.2.10'];
    const { config } = loadConfig(args, {});
    expect(xenapiAddress(config, own)).toBe(address);
    expect(xenapiAddress(loadConfig(['--xenapi', '[::]:1'], {}).config, own.slice(0, 4))).toBe(
      '2001:db8::1',
    );
    expect(xenapiAddress(loadConfig(['--xenapi', '[::]:1'], {}).config, [])).toBe('127.0.0.1');
  });

  test('workers default to one less than the cores, at least one', () => {
    const { config } = loadConfig([], {});
    expect(workerCount(config, 8)).toBe(7);
    expect(workerCount(config, 1)).toBe(1);
    // Never more than can share an overlay with replication and XenAPI, however many cores there are.
    expect(workerCount(config, 256)).toBe(MAXIMUM_WORKERS - 2);
    expect(workerCount(loadConfig(['--workers', '3'], {}).config, 8)).toBe(3);
  });

  test('HOST:PORT is split, with or without brackets', () => {
    expect(splitHostPort('[::1]:8080', 'x')).toEqual({ host: '::1', port: 8080 });
    expect(splitHostPort('0.0.0.0:1', 'x')).toEqual({ host: '0.0.0.0', port: 1 });
    expect(() => splitHostPort('a:70000', 'x')).toThrow(/70000/);
  });
});
