/** The image that the recorded boot of bench/traces reads, and machines that replay it. */
import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseTrace, traceBlocks, traceDiskBytes } from '../../../bench/trace.ts';
import { connectNbd } from '../../../src/nbd/client/index.ts';
import type { ServiceProcess } from '../../support/service-process.ts';
import { BLOCK, DiskModel, IMAGE_WRITER } from '../replay/disk-model.ts';
import { replay } from '../replay/replay.ts';

const TRACE = join(import.meta.dirname, '../../../bench/traces/debian-boot.csv');

export const trace = parseTrace(readFileSync(TRACE, 'utf8'));
const blocks = traceBlocks(trace);
const image = new Set(blocks);

/** Imports it with a kernel and an initrd that are none, and makes its machines boot over HTTP. */
export async function importTraceImage(
  service: ServiceProcess,
  folder: string,
  name: string,
  ...options: readonly string[]
): Promise<void> {
  const path = (file: string): string => join(folder, file);
  writeImage(path('debian.raw'));
  writeFileSync(path('vmlinuz'), 'the kernel');
  writeFileSync(path('initrd'), 'the initrd');
  const files = ['--kernel', path('vmlinuz'), '--initrd', path('initrd')];
  await service.json('vdisk', 'import', path('debian.raw'), '--name', name, ...files, ...options);
}

function writeImage(path: string): void {
  const author = new DiskModel(IMAGE_WRITER, new Set());
  const file = openSync(path, 'w');
  try {
    ftruncateSync(file, traceDiskBytes(trace));
    for (const block of blocks) {
      writeSync(file, author.write(block * BLOCK, BLOCK, 0), 0, BLOCK, block * BLOCK);
    }
  } finally {
    closeSync(file);
  }
}

export function macOf(machine: number): string {
  const low = (machine & 255).toString(16).padStart(2, '0');
  return `02:00:00:00:${(machine >> 8).toString(16).padStart(2, '0')}:${low}`;
}

export async function call(
  service: ServiceProcess,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  const response = await fetch(`${service.http}/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${service.token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
  return response.status === 204 ? undefined : response.json();
}

/** One machine without a body: what iPXE, the kernel and the guest do, as the server sees it. */
export class TraceMachine {
  readonly number: number;
  readonly name: string;
  readonly #service: ServiceProcess;

  constructor(service: ServiceProcess, number: number) {
    this.#service = service;
    this.number = number;
    this.name = `storm-${String(number).padStart(3, '0')}`;
  }

  get #url(): string {
    return `${this.#service.boot}/boot`;
  }

  /** Asks for its script until it is let boot, sleeping as it is told. @returns how often it was sent away */
  async askForBoot(): Promise<number> {
    for (let waits = 0; ; waits++) {
      const response = await fetch(`${this.#url}/${macOf(this.number).replaceAll(':', '-')}.ipxe`);
      const script = await response.text();
      if (/^kernel /m.test(script)) return waits;
      const seconds = /^sleep (\d+)$/m.exec(script)?.[1];
      if (seconds === undefined || !script.includes('that wait')) throw new Error(script);
      await sleep(Number(seconds) * 1000);
    }
  }

  /** Every byte that it reads is checked. @param requests how many of the trace */
  async replay(requests = trace.length): Promise<void> {
    const client = await connectNbd(this.#service.uri(`machine/${this.name}`));
    try {
      const disk = {
        read: async (offset: number, length: number) => {
          const data = Buffer.allocUnsafe(length);
          await client.read(data, offset);
          return data;
        },
        write: (data: Buffer, offset: number) => client.write(data, offset),
        flush: () => client.flush(),
      };
      await replay(trace.slice(0, requests), disk, new DiskModel(this.number, image));
    } finally {
      await client.disconnect();
    }
  }

  async stage(stage: 'root-mounted'): Promise<void> {
    const url = `${this.#url}/stage?mac=${macOf(this.number)}&stage=${stage}`;
    const { status } = await fetch(url, { method: 'POST' });
    if (status !== 204) throw new Error(`${url}: ${status}`);
  }

  async ready(): Promise<void> {
    const url = `${this.#url}/ready?mac=${macOf(this.number)}`;
    const { status } = await fetch(url, { method: 'POST' });
    if (status !== 204) throw new Error(`${url}: ${status}`);
  }
}
