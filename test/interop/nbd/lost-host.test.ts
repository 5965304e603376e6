/**
 * A client's host is gone in the middle of answers: its cable is cut while qemu-img reads. TCP would send the last
 * answers again for a quarter of an hour; a client beside it that is silent is not taken for gone.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NetworkNamespace } from '../../../src/service/demo/index.ts';
import { describeWith, program, root } from '../../support/requires.ts';
import { until } from '../../support/until.ts';

const SERVER = '10.77.0.1';
const CLIENT = '10.77.0.2';
const URI = `nbd://${SERVER}`;
const UNACKNOWLEDGED_MS = 1_000;
const SCRIPT = new URL('watched-server.ts', import.meta.url).pathname;

describeWith([root(), program('qemu-img', 'qemu-utils')], 'a host that is gone', () => {
  const open: NetworkNamespace[] = [];
  let near: NetworkNamespace;
  let far: NetworkNamespace;
  let server: ReturnType<NetworkNamespace['start']>;

  beforeAll(async () => {
    near = await NetworkNamespace.create(SERVER);
    open.push(near);
    far = await NetworkNamespace.create(CLIENT);
    open.push(far);
    await near.connect(far);
    server = near.start([process.execPath, SCRIPT, SERVER, String(UNACKNOWLEDGED_MS)]);
    await until('the server listens', () => server.output.includes('ready'));
  });

  afterAll(async () => {
    for (const namespace of open) await namespace.close();
  });

  const from = (host: string, what: string): number =>
    server.output.split('\n').filter((line) => line.startsWith(`${what} ${host}:`)).length;

  test('is noticed though its last answers were never acknowledged, and a silent one stays', async () => {
    // One request, and then none for as long as this test takes.
    const asked = ['-c', 'read 0 4k', '-c', 'sleep 3600000'];
    const silent = near.start(['qemu-io', '-f', 'raw', ...asked, URI]);
    await until('the silent one is there', () => from(SERVER, 'entered') === 1);
    far.start([
      'qemu-img',
      'bench',
      '-f',
      'raw',
      '-c',
      '2000000000',
      '-d',
      '8',
      '-s',
      '65536',
      URI,
    ]);
    await until('the other one reads', () => from(CLIENT, 'entered') === 1);
    await far.run(['ip', 'link', 'set', 'cable1', 'down']);
    await until('its end is noticed', () => from(CLIENT, 'left') === 1);
    expect(silent.running).toBe(true);
    expect(from(SERVER, 'left')).toBe(0);
  });
});
