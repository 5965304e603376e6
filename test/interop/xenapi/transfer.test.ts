/** Imports and exports as people do them by hand: curl, and the largest disk there is. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MemoryDevice, PLAIN } from '../../../src/block/index.ts';
import { makeTlsFiles } from '../../support/nbd-tls-files.ts';
import { describeWith, program } from '../../support/requires.ts';
import { run, succeed } from '../../support/run-program.ts';
import { seededRandom } from '../../support/seed.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';
import { type ImageServer, imageServer } from '../../unit/xenapi/http/image-server.ts';
import { USER } from '../../unit/xenapi/http/memory-image-port.ts';
import { contentOf, expectSame, M, memoryOf } from '../../unit/xenapi/images/transfers.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: ImageServer;
beforeAll(async () => {
  folder = await temporaryFolder('xenapi-transfer');
  server = await imageServer();
});
afterAll(async () => {
  await server.close();
  await folder.remove();
});

const at = (name: string): string => join(folder.path, name);
const url = (path: string, query: Record<string, string>): string =>
  `http://127.0.0.1:${server.number}${path}?${new URLSearchParams(query)}`;

const random = seededRandom();

function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let word = 0; word < length; word += 4) {
    bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), word);
  }
  return bytes;
}

const NEEDS = [
  program('curl', 'curl'),
  program('qemu-img', 'qemu-utils'),
  program('certtool', 'gnutls-bin'),
];

describeWith(NEEDS, 'curl', () => {
  it.each([
    ['raw', 'raw'],
    ['vhd', 'vpc'],
    ['qcow2', 'qcow2'],
  ])('sends and takes a %s, with a password', async (format, qemu) => {
    const disk = Buffer.concat([noise(30 * M), Buffer.alloc(20 * M), noise(512)]);
    await writeFile(at('disk.raw'), disk);
    const options = format === 'vhd' ? ['-o', 'force_size=on'] : [];
    const made = ['-f', 'raw', '-O', qemu, ...options, at('disk.raw'), at('made')];
    await succeed('qemu-img', ['convert', ...made]);
    const vdi = server.port.add(new MemoryDevice({ size: disk.length }));
    const query = { vdi: vdi.uuid, format };
    const user = ['-sS', '--fail', '-u', `${USER.user}:${USER.password}`];
    await succeed('curl', [...user, '-T', at('made'), url('/import_raw_vdi', query)]);
    expectSame(contentOf(vdi.device), disk);
    await succeed('curl', [...user, '-o', at('back'), url('/export_raw_vdi', query)]);
    await succeed('qemu-img', ['compare', '-f', qemu, '-F', 'raw', at('back'), at('disk.raw')]);
    const tasks = [...server.port.tasks.values()].map(({ status }) => status);
    expect(tasks.every((status) => status === 'success')).toBe(true);
    expect(server.port.open_).toBe(0);
  });

  it.each([
    ['http', 'raw', 18], // "A file transfer was shorter or larger than expected"
    ['http', 'tar', 56], // "Failure in receiving network data"
    ['https', 'raw', 18],
    ['https', 'tar', 56],
  ] as const)('sees that an export broke off: %s, %s', async (scheme, format, failure) => {
    makeTlsFiles(folder.path);
    const [key, cert] = [
      await readFile(at('server-key.pem')),
      await readFile(at('server-cert.pem')),
    ];
    const tls = scheme === 'https' ? { key, cert } : undefined;
    const server = await imageServer({}, undefined, tls);

    const session = server.port.session();
    const task = server.port.task();
    const vdi = server.port.add(memoryOf(noise(60 * M)));
    const query = { vdi: vdi.ref, format, session_id: session, task_id: task.ref };
    const limited = ['-sSk', '--limit-rate', '20M', '-o', at('broken')];
    const address = `${scheme}://127.0.0.1:${server.number}/export_raw_vdi`;
    const running = run('curl', [...limited, `${address}?${new URLSearchParams(query)}`]);
    await until('it is on its way', () => task.fraction > 0);
    task.cancel();
    const { code, stderr } = await running;
    await server.close();
    expect([failure, 56], stderr).toContain(code);
    expect(task.status).toBe('cancelled');
  });
});

describeWith([program('qemu-img', 'qemu-utils')], 'the largest disk of a VHD', () => {
  it('goes out and in, with the last KiB of it', async () => {
    const size = 2040 * 1024 * M;
    const disk = new MemoryDevice({ size });
    const end = noise(1024);
    disk.write(end, size - 1024, PLAIN);
    const { port } = server;
    const vdi = port.add(disk);
    const target = port.add(new MemoryDevice({ size }));
    const session_id = port.session();
    const get = url('/export_raw_vdi', { vdi: vdi.ref, format: 'vhd', session_id });
    await succeed('curl', ['-sS', '--fail', '-o', at('large.vhd'), get]);
    const { stdout } = await succeed('qemu-img', ['info', '-f', 'vpc', at('large.vhd')]);
    expect(stdout).toContain(`(${size} bytes)`);
    const put = url('/import_raw_vdi', { vdi: target.ref, format: 'vhd', session_id });
    await succeed('curl', ['-sS', '--fail', '-T', at('large.vhd'), put]);
    const found = Buffer.alloc(2048);
    target.device.read(found, size - 2048);
    expectSame(found, Buffer.concat([Buffer.alloc(1024), end]));
    expect((await readFile(at('large.vhd'))).length).toBeLessThan(8 * M);
  });
});
