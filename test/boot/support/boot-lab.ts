/** What the boot tests share: their needs, a service in a namespace, and guests whose logs a failure prints. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Drive,
  EMULATED_KERNEL_ARGUMENTS,
  ensureDebianImage,
  type Firmware,
  type ImageOptions,
  LabService,
  Machine,
  NetworkNamespace,
  SERVER_ADDRESS,
} from '../../../src/service/demo/index.ts';
import { file, type Need, program, root } from '../../support/requires.ts';
import { until } from '../../support/until.ts';

export const BOOT_NEEDS: readonly Need[] = [
  root(),
  program('qemu-system-x86_64', 'qemu-system-x86'),
  program('mmdebstrap', 'mmdebstrap'),
  program('sfdisk', 'fdisk'),
  program('mke2fs', 'e2fsprogs'),
  program('ip', 'iproute2'),
  program('nsenter', 'util-linux'),
  file('/usr/lib/ipxe/ipxe.efi', 'ipxe'),
  file('/usr/lib/ipxe/qemu/pxe-virtio.rom', 'ipxe-qemu'),
  file('/usr/share/OVMF/OVMF_CODE_4M.fd', 'ovmf'),
];

/** A boot takes about a minute alone; this is for three at once on a machine that has other work. */
export const BOOT_MS = 600_000;
export const COMMAND_MS = 60_000;
/** What an initramfs asks with. */
const HTTP = new URL('../../../boot/lib/rootcast-http.sh', import.meta.url).pathname;

export interface GuestPlan {
  readonly name: string;
  readonly mac: string;
  readonly firmware: Firmware;
  readonly cache:
    | 'server'
    | 'server-persistent'
    | 'device-ram'
    | 'device-disk'
    | 'device-ram-overflow';
  /** Words for its kernel command line. */
  readonly kernelArguments?: string;
  /** Raw files that are its local disks. */
  readonly disks?: readonly string[];
  /** `auto` unless given. */
  readonly loader?: 'ipxe' | 'grub';
  readonly drive?: Drive;
  readonly noNetworkBoot?: boolean;
  /** `debian` unless given. */
  readonly vdisk?: string;
}

export class BootLab {
  readonly folder: string;
  readonly namespace: NetworkNamespace;
  readonly #serve: readonly string[];
  #service: LabService;
  readonly #guests = new Map<string, Machine>();
  #closing: Promise<number | null> | undefined;

  private constructor(
    namespace: NetworkNamespace,
    folder: string,
    serve: readonly string[],
    service: LabService,
  ) {
    this.namespace = namespace;
    this.folder = folder;
    this.#serve = serve;
    this.#service = service;
  }

  get service(): LabService {
    return this.#service;
  }

  /** The service with a Debian vDisk named `debian`, imported and added by the CLI. */
  static async open(serve: readonly string[], from: ImageOptions = {}): Promise<BootLab> {
    const image = await ensureDebianImage(from);
    const folder = mkdtempSync(join(tmpdir(), 'rootcast-boot-'));
    const namespace = await NetworkNamespace.create();
    try {
      const service = await LabService.start({ namespace, folder, arguments: serve });
      await service.cli(['vdisk', 'import', image.disk, '--name', 'debian']);
      return new BootLab(namespace, folder, serve, service);
    } catch (error) {
      await namespace.close();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Once more, after it was killed or has stopped: with what it had. */
  async startService(): Promise<void> {
    const { namespace, folder } = this;
    this.#service = await LabService.start({ namespace, folder, arguments: this.#serve });
  }

  async add(plan: GuestPlan): Promise<void> {
    const how = ['--vdisk', plan.vdisk ?? 'debian', '--cache', plan.cache];
    if (plan.loader !== undefined) how.push('--boot-loader', plan.loader);
    const words = [EMULATED_KERNEL_ARGUMENTS, plan.kernelArguments ?? ''];
    const console = ['--kernel-arguments', words.join(' ').trim()];
    await this.service.cli(['machine', 'add', plan.name, '--mac', plan.mac, ...how, ...console]);
  }

  /** @param network of another namespace than the service's */
  async powerOn(plan: GuestPlan, network: NetworkNamespace = this.namespace): Promise<Machine> {
    const { folder } = this;
    const { mac, firmware, disks, drive, noNetworkBoot } = plan;
    const machine = await Machine.start({
      ...{ network, folder, memoryMiB: 512, mac, firmware },
      ...(disks === undefined ? {} : { disks }),
      ...(drive === undefined ? {} : { drive }),
      ...(noNetworkBoot === undefined ? {} : { noNetworkBoot }),
    });
    this.#guests.set(plan.name, machine);
    return machine;
  }

  guest(name: string): Machine {
    const machine = this.#guests.get(name);
    if (machine === undefined) throw new Error(`${name} is not switched on`);
    return machine;
  }

  /** Runs a command in a root shell of the machine. */
  shell(name: string, command: string): Promise<string> {
    return this.guest(name).shell.run(command, COMMAND_MS);
  }

  /** Until the machine reports multi-user on its console. */
  async multiUser(name: string): Promise<void> {
    await this.guest(name).console.waitFor(/ROOTCAST-READY/, BOOT_MS);
  }

  /** Until its boot has come so far; `first-block`: it reads its root file system. */
  async stage(name: string, stage: 'script' | 'first-block'): Promise<void> {
    const reached = async (): Promise<boolean> => {
      const { lastBoot } = await this.service.machine(name);
      return lastBoot?.timeline.some((entry) => entry.stage === stage) === true;
    };
    await until(`${name} is at ${stage}`, reached, BOOT_MS);
  }

  /** Asks for the boot of a machine that is not there, as iPXE would. @returns the script */
  askForBoot({ mac }: Pick<GuestPlan, 'mac'>): Promise<string> {
    const url = `http://${SERVER_ADDRESS}:8481/boot/${mac.replaceAll(':', '-')}.ipxe`;
    return this.namespace.run(['bash', HTTP, 'GET', url]);
  }

  /** What everybody said, for a failure. */
  report(): string {
    const guests = [...this.#guests].map(
      ([name, machine]) =>
        `--- console of ${name} ---\n${machine.console.transcript.slice(-6_000)}`,
    );
    return [...guests, `--- the service ---\n${this.service.output.slice(-8_000)}`].join('\n');
  }

  /** Idempotent. @returns the service's exit code */
  close(): Promise<number | null> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<number | null> {
    await Promise.all([...this.#guests.values()].map((machine) => machine.kill()));
    const code = await this.service.stop();
    await this.namespace.close();
    rmSync(this.folder, { recursive: true, force: true });
    return code;
  }
}
