/**
 * QEMU's own NBD client as the disk of a guest: `reconnect-delay` has it wait for a service that was killed, and for
 * one that is upgraded. Its requests are qemu-io's, one after the other, as QEMU's block layer sends them.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { writePatternImage } from '../../support/pattern-image.ts';
import { describeWith, program } from '../../support/requires.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';

const UNIT = 64 * 1024;
const UNITS = 256;
/** QEMU tries again after 1, 2, 4, 8, and then every 16 s. */
const COMES_BACK_MS = 240_000;

/** qemu-io at a terminal of ours. */
class QemuIo {
  readonly #child: ChildProcessWithoutNullStreams;
  #said = '';
  /** It takes the next command when it has said that it is ready: of several it would read one. */
  readonly #commands: string[] = [];
  #ready = false;

  constructor(port: number) {
    const disk = [
      ...['driver=nbd', 'host=127.0.0.1', `port=${port}`],
      // Newest wins: what an older connection of this guest still has under way is never executed.
      ...['export=machine/vm@qemu', 'reconnect-delay=120'],
    ];
    this.#child = spawn('qemu-io', ['--image-opts', disk.join(',')]);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#said += text;
        this.#ready ||= text.endsWith('qemu-io> ');
        this.#next();
      });
    }
  }

  get said(): string {
    return this.#said;
  }

  /** How many writes are done. */
  get wrote(): number {
    return this.#said.match(/^.*wrote \d+\/\d+ bytes/gm)?.length ?? 0;
  }

  send(command: string): void {
    this.#commands.push(command);
    this.#next();
  }

  #next(): void {
    const command = this.#ready ? this.#commands.shift() : undefined;
    if (command === undefined) return;
    this.#ready = false;
    this.#child.stdin.write(`${command}\n`);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async end(): Promise<void> {
    this.send('quit');
    if (this.#child.exitCode === null) await once(this.#child, 'close');
  }
}

describeWith([program('qemu-io', 'qemu-utils')], 'QEMU with a reconnect-delay', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: ServiceProcess;
  let qemu: QemuIo | undefined;

  beforeAll(async () => {
    folder = await temporaryFolder('qemu-reconnect');
    writePatternImage(join(folder.path, 'base.img'), UNIT * UNITS);
    service = await ServiceProcess.start({ arguments: ['--workers', '2'] });
    await service.json('vdisk', 'import', join(folder.path, 'base.img'), '--name', 'base');
    const how = ['--vdisk', 'base', '--cache', 'server-persistent'];
    await service.json('machine', 'add', 'vm', '--mac', '52:54:00:00:07:02', ...how);
  });

  afterEach(() => qemu?.kill());

  afterAll(async () => {
    await service.remove();
    await folder.remove();
  });

  /** A service that ends in the middle of writes and comes back on the same port; then everything is read. */
  async function across(end: () => Promise<unknown>, salt: number): Promise<void> {
    const io = new QemuIo(service.nbdPort);
    qemu = io;
    const pattern = (unit: number): number => ((unit * 7 + salt) % 254) + 1;
    for (let unit = 0; unit < UNITS; unit++) {
      io.send(`write -P ${pattern(unit)} ${unit * UNIT} ${UNIT}`);
      if (unit % 32 === 31) io.send('flush');
    }
    for (const share of [4, 2]) {
      await until('some are written', () => io.wrote >= UNITS / share, COMES_BACK_MS);
      await end();
      service = await ServiceProcess.start({
        ...{ data: service.data, nbdPort: service.nbdPort },
        arguments: ['--workers', '2'],
      });
    }
    await until('all are written', () => io.wrote === UNITS, COMES_BACK_MS);
    for (let unit = 0; unit < UNITS; unit++) {
      io.send(`read -P ${pattern(unit)} ${unit * UNIT} ${UNIT}`);
    }
    await io.end();
    expect(io.said.match(/^.*read \d+\/\d+ bytes/gm)).toHaveLength(UNITS);
    expect(io.said).not.toMatch(/fail|error|verification/i);
  }

  test(
    'writes go on across kills of the service, none is lost and none fails',
    async () => {
      await across(() => service.kill(), 1);
    },
    3 * COMES_BACK_MS,
  );

  test(
    'and across orderly restarts',
    async () => {
      await across(() => service.stop(), 2);
    },
    3 * COMES_BACK_MS,
  );
});
