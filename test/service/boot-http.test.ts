/**
 * What a machine does at boot, over the running service: it fetches its script by HTTP, connects to
 * its export, and reports that it is up. No privileges: DHCP and TFTP are off, the port is a free one.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNbd, type NbdClient } from '../../src/nbd/client/index.ts';
import { imageBlock, patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const BLOCK = 4096;
const MACS = {
  clean: '52:54:00:00:07:01',
  kept: '52:54:00:00:07:02',
  unknown: '52:54:00:00:07:03',
  template: '52:54:00:00:07:04',
  bare: '52:54:00:00:07:05',
} as const;

interface MachineAnswer {
  readonly name: string;
  readonly state: string;
  readonly enrolment: string;
  readonly lastBoot: {
    readonly ended: string | null;
    readonly durationMs: number | null;
    readonly timeline: readonly { readonly stage: string }[];
  } | null;
}

const BOOT_ARGUMENTS = [
  ...['--pxe-address', '127.0.0.1', '--pxe-http-port', '0'],
  ...['--pxe-tftp-enabled', 'false', '--pxe-dhcp-mode', 'off'],
];

describe('a boot over HTTP', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: ServiceProcess;

  beforeAll(async () => {
    folder = await temporaryFolder('boot-http');
    const path = (name: string) => join(folder.path, name);
    writePatternImage(path('base.img'), 4 * 2 ** 20);
    writeFileSync(path('vmlinuz'), 'the kernel');
    writeFileSync(path('initrd'), 'the initrd');
    service = await ServiceProcess.start({ arguments: BOOT_ARGUMENTS });
    await service.json(
      ...['vdisk', 'import', path('base.img'), '--name', 'base'],
      ...['--kernel', path('vmlinuz'), '--initrd', path('initrd')],
    );
    await service.json('vdisk', 'import', path('base.img'), '--name', 'bare');
    await addMachine('clean', MACS.clean, 'base', 'server');
    await addMachine('kept', MACS.kept, 'base', 'server-persistent');
    await addMachine('bare', MACS.bare, 'bare', 'server');
  });

  afterAll(async () => {
    await service.remove();
    await folder.remove();
  });

  const addMachine = (name: string, mac: string, vdisk: string, cache: string) =>
    service.json('machine', 'add', name, '--mac', mac, '--vdisk', vdisk, '--cache', cache);

  const hyphens = (mac: string) => mac.replaceAll(':', '-');
  const fetchScript = async (mac: string): Promise<string> => {
    const response = await fetch(`${service.boot}/boot/${hyphens(mac)}.ipxe`);
    expect(response.status).toBe(200);
    return response.text();
  };
  const show = (name: string) => service.json<MachineAnswer>('machine', 'show', name);
  const stages = (machine: MachineAnswer) =>
    machine.lastBoot?.timeline.map(({ stage }) => stage) ?? [];
  const block = async (client: NbdClient, number: number): Promise<Buffer> => {
    const got = Buffer.alloc(BLOCK);
    await client.read(got, number * BLOCK);
    return got;
  };

  async function until(name: string, reached: (machine: MachineAnswer) => boolean) {
    for (;;) {
      const machine = await show(name);
      if (reached(machine)) return machine;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  test('a script leads to kernel, initrd and the export, and every address in it is the bound one', async () => {
    const script = await fetchScript(MACS.clean);
    expect(script).toMatch(/^#!ipxe\n/);
    expect(script).toContain(`nbdroot=127.0.0.1:${service.nbdPort}/machine/clean`);
    expect(script).toContain(`rootcast.ready=${service.boot}/boot/ready?mac=${MACS.clean}`);
    expect(new URL(service.boot).port).not.toBe('0');
    const urls = [...script.matchAll(/http:\S+\/(?:kernel|initrd)(?= )/g)].map(([url]) => url);
    expect(urls.length).toBeGreaterThan(0);
    const kernel = /^kernel --name \S+ (\S+)/m.exec(script)?.[1] ?? '';
    const initrd = /^initrd --name \S+ (\S+)/m.exec(script)?.[1] ?? '';
    expect(await (await fetch(kernel)).text()).toBe('the kernel');
    expect(await (await fetch(initrd)).text()).toBe('the initrd');
  });

  test('a machine gets the files of its own vDisk only, by no other path', async () => {
    const script = await fetchScript(MACS.clean);
    const kernel = /^kernel --name \S+ (\S+)/m.exec(script)?.[1] ?? '';
    const status = async (url: string) => (await fetch(url)).status;
    expect(await status(kernel)).toBe(200);
    // Another machine's vDisk, a machine that nobody knows, and files beside the boot files.
    expect(await status(kernel.replace(hyphens(MACS.clean), hyphens(MACS.bare)))).toBe(404);
    expect(await status(kernel.replace(hyphens(MACS.clean), '52-54-00-ff-ff-ff'))).toBe(404);
    expect(await status(kernel.replace(/kernel$/, 'manifest'))).toBe(404);
    expect(await status(kernel.replace(/kernel$/, '..%2f..%2fmanifest'))).toBe(404);
    expect(await status(`${service.boot}/boot/..%2f..%2fadmin.token`)).toBe(404);
    expect(await status(`${service.boot}/boot/${hyphens(MACS.clean)}/..%2f/kernel`)).toBe(404);
    expect(await status(`${service.boot}/admin.token`)).toBe(404);
    expect(await status(`${service.boot}/v1/machines`)).toBe(404);
  });

  test('off, booting, running: with a timeline, and the report of the guest ends the boot', async () => {
    expect(await show('kept')).toMatchObject({ state: 'off', lastBoot: null });
    const script = await fetchScript(MACS.clean);
    expect((await show('clean')).state).toBe('booting');
    for (const role of ['kernel', 'initrd']) {
      await fetch(new RegExp(`^${role} --name \\S+ (\\S+)`, 'm').exec(script)?.[1] ?? '');
    }
    await until('clean', (machine) =>
      ['script', 'kernel', 'initrd'].every((stage) => stages(machine).includes(stage)),
    );
    const client = await connectNbd(service.uri('machine/clean'));
    await block(client, 1);
    await until('clean', (machine) => stages(machine).includes('first-block'));
    const ready = await fetch(`${service.boot}/boot/ready?mac=${MACS.clean}`, { method: 'POST' });
    expect(ready.status).toBe(204);
    const running = await show('clean');
    expect(running.state).toBe('running');
    expect(running.lastBoot).toMatchObject({ ended: 'ready' });
    expect(running.lastBoot?.durationMs).toBeGreaterThan(0);
    expect(stages(running)).toEqual(expect.arrayContaining(['first-block', 'ready']));
    await client.disconnect();
    await until('clean', ({ state }) => state === 'off');
  });

  test('a `server` cache is renewed by a boot, not by a reconnect; the old connection keeps the old one', async () => {
    const written = patternBlock(5, 42);
    const first = await connectNbd(service.uri('machine/clean'));
    await first.write(written, 5 * BLOCK);
    const again = await connectNbd(service.uri('machine/clean'));
    expect((await block(again, 5)).equals(written)).toBe(true);
    await again.disconnect();

    // HEAD asks, and boots nothing.
    await fetch(`${service.boot}/boot/${hyphens(MACS.clean)}.ipxe`, { method: 'HEAD' });
    const afterHead = await connectNbd(service.uri('machine/clean'));
    expect((await block(afterHead, 5)).equals(written)).toBe(true);
    await afterHead.disconnect();

    await fetchScript(MACS.clean);
    const second = await connectNbd(service.uri('machine/clean'));
    expect((await block(second, 5)).equals(imageBlock(5))).toBe(true);
    expect((await block(first, 5)).equals(written)).toBe(true);
    await first.write(patternBlock(6, 43), 6 * BLOCK);
    expect((await block(second, 6)).equals(imageBlock(6))).toBe(true);
    await Promise.all([first.disconnect(), second.disconnect()]);
  });

  test('a `server-persistent` cache is kept over a boot', async () => {
    const written = patternBlock(9, 44);
    const first = await connectNbd(service.uri('machine/kept'));
    await first.write(written, 9 * BLOCK);
    await first.disconnect();
    await fetchScript(MACS.kept);
    const second = await connectNbd(service.uri('machine/kept'));
    expect((await block(second, 9)).equals(written)).toBe(true);
    await second.disconnect();
  });

  test('an unknown machine waits for approval and boots from its local disk, then from its vDisk', async () => {
    const script = await fetchScript(MACS.unknown);
    expect(script).toContain('waits for approval');
    expect(script).toContain('sanboot');
    expect(script).not.toContain('kernel --name');
    const waiting = await service.json<readonly { mac: string; state: string }[]>(
      'enrolment',
      'list',
    );
    expect(waiting).toEqual([expect.objectContaining({ mac: MACS.unknown, state: 'waiting' })]);
    await service.json('enrolment', 'approve', MACS.unknown, '--name', 'new', '--vdisk', 'base');
    expect(await fetchScript(MACS.unknown)).toContain('/machine/new ');
  });

  test('by template an unknown machine gets a vDisk and a name at once', async () => {
    await service.json('enrolment', 'policy', '--template', 'base', '--names', 'pc-{n}');
    expect(await fetchScript(MACS.template)).toContain('/machine/pc-1 ');
    expect(await show('pc-1')).toMatchObject({ enrolment: 'automatic', state: 'booting' });
    await service.json('enrolment', 'policy', '--wait');
  });

  test('a vDisk without a kernel, and a disabled machine: the screen says it', async () => {
    expect(await fetchScript(MACS.bare)).toContain(
      'vDisk bare has no kernel that can be booted over PXE',
    );
    await service.json('machine', 'set', 'bare', '--disable');
    expect(await fetchScript(MACS.bare)).toContain('disabled');
  });

  test('a full write cache is an event, once, about that machine', async () => {
    await service.json('machine', 'set', 'kept', '--quota', '64K');
    const client = await connectNbd(service.uri('machine/kept'));
    const fill = async () => {
      for (let number = 100; number < 200; number++) {
        await client.write(patternBlock(number, 46), number * BLOCK);
      }
    };
    await expect(fill()).rejects.toMatchObject({ errno: 'ENOSPC' });
    const full = async () =>
      (await service.json<readonly { kind: string; subject: string }[]>('events')).filter(
        ({ kind }) => kind === 'machine.cache-full',
      );
    while ((await full()).length === 0) await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await full()).toEqual([expect.objectContaining({ subject: 'machine/kept' })]);
    await client.disconnect();
  });

  test('a deleted machine is cut off, and what it wrote is gone', async () => {
    await service.json('machine', 'set', 'kept', '--quota', 'none');
    const client = await connectNbd(service.uri('machine/kept'));
    await client.write(patternBlock(1, 45), BLOCK);
    await service.json('machine', 'delete', 'kept');
    await expect(
      (async () => {
        for (;;) await block(client, 1);
      })(),
    ).rejects.toThrow();
    await addMachine('kept', MACS.kept, 'base', 'server-persistent');
    const fresh = await connectNbd(service.uri('machine/kept'));
    expect((await block(fresh, 1)).equals(imageBlock(1))).toBe(true);
    await fresh.disconnect();
  });
});
