/** The demo with nothing simulated: a Debian image, the service, two QEMU machines that boot from it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MachineView } from '../../control/index.ts';
import { ensureDebianImage } from './debian-image.ts';
import type { DemoSession } from './demo-session.ts';
import { FULL_DHCP, LabService } from './lab-service.ts';
import { EMULATED_KERNEL_ARGUMENTS, type Firmware, Machine } from './machine.ts';
import { NetworkNamespace } from './namespace.ts';
import { formatMiB, formatSeconds, type MachineRow } from './progress-view.ts';

const MACHINES: readonly {
  readonly name: string;
  readonly mac: string;
  readonly firmware: Firmware;
}[] = [
  { name: 'ada', mac: '52:54:00:de:30:01', firmware: 'bios' },
  { name: 'grace', mac: '52:54:00:de:30:02', firmware: 'uefi' },
];
const MEMORY_MIB = 512;
const POLL_MS = 500;
const BOOT_TIMEOUT_MS = 600_000;
const COMMAND_TIMEOUT_MS = 60_000;

export async function realDemo(session: DemoSession): Promise<void> {
  const { view, folder, signal, defer } = session;
  view.say(
    "1. A small Debian image, from this machine's own package sources (kept for the next time)",
  );
  const image = await ensureDebianImage({
    signal,
    onStep: (step) => view.say(`   ${step} ...`),
  });
  view.say(`   ${image.disk}`);

  view.say('2. The service, in a private network namespace, as its only DHCP server');
  const namespace = await NetworkNamespace.create();
  defer(() => namespace.close());
  const service = await LabService.start({
    namespace,
    folder,
    arguments: [...FULL_DHCP, '--log-level', 'warn'],
  });
  defer(() => service.stop());

  view.say('3. rootcast vdisk import disk.img --name debian');
  await service.cli(['vdisk', 'import', image.disk, '--name', 'debian'], { signal });
  for (const { name, mac } of MACHINES) {
    view.say(`   rootcast machine add ${name} --mac ${mac} --vdisk debian`);
    const add = ['machine', 'add', name, '--mac', mac, '--vdisk', 'debian'];
    await service.cli([...add, '--kernel-arguments', EMULATED_KERNEL_ARGUMENTS], { signal });
  }

  view.say(
    '4. Two machines without disks are switched on: PXE, then the kernel, then root over NBD',
  );
  const machines: Machine[] = [];
  defer(() => Promise.all(machines.map((machine) => machine.kill())));
  const start = performance.now();
  for (const { mac, firmware } of MACHINES) {
    const parts = { network: namespace, firmware, mac, folder, memoryMiB: MEMORY_MIB };
    machines.push(await Machine.start(parts));
  }
  const views = await watch(session, service, machines, start);
  view.say('5. Each writes a file of its own to the shared disk');
  await showIsolation(session, machines);
  summary(session, views);
}

/** Until every machine has reported that it is up. */
async function watch(
  { view, signal }: DemoSession,
  service: LabService,
  machines: readonly Machine[],
  start: number,
): Promise<MachineView[]> {
  for (;;) {
    const views = await Promise.all(MACHINES.map(({ name }) => service.machine(name)));
    const elapsedMs = performance.now() - start;
    view.show(views.map((machine, at) => row(machine, at, elapsedMs)));
    if (views.every((machine) => machine.lastBoot?.ended === 'ready')) return views;
    const gone = machines.find((machine) => !machine.running);
    if (gone !== undefined) throw new Error(`QEMU left:\n${gone.console.transcript.slice(-2_000)}`);
    if (elapsedMs > BOOT_TIMEOUT_MS) throw new Error(`no boot in ${formatSeconds(elapsedMs)}`);
    await sleep(POLL_MS, undefined, { signal });
  }
}

function row(machine: MachineView, at: number, elapsedMs: number): MachineRow {
  const boot = machine.lastBoot;
  const stage = boot?.timeline.at(-1)?.stage;
  return {
    name: machine.name,
    kind: MACHINES[at]?.firmware ?? '',
    state: machine.state,
    stage: stage === undefined ? 'firmware' : STAGES[stage],
    bytesRead: machine.bytesRead,
    cacheUsedBytes: machine.cache.usedBytes,
    elapsedMs,
  };
}

type Stage = NonNullable<MachineView['lastBoot']>['timeline'][number]['stage'];

const STAGES: Readonly<Record<Stage, string>> = {
  dhcp: 'firmware',
  loader: 'has its boot loader',
  queued: 'waits for its turn',
  admitted: 'may boot',
  script: 'has its boot script',
  kernel: 'loads the kernel',
  initrd: 'loads the initramfs',
  'first-block': 'Debian starts over NBD',
  'root-mounted': 'Debian starts over NBD',
  ready: 'up (multi-user)',
};

async function showIsolation({ view }: DemoSession, machines: readonly Machine[]): Promise<void> {
  const shell = (command: string): Promise<string[]> =>
    Promise.all(machines.map(({ shell }) => shell.run(command, COMMAND_TIMEOUT_MS)));
  await shell('hostname > "/root/written-by-$(hostname)"; sync');
  const seen = await shell('ls -1 /root');
  for (const [at, files] of seen.entries()) {
    view.say(`   ${MACHINES[at]?.name} sees: ${files.split('\n').join(' ')}`);
  }
}

function summary({ view }: DemoSession, views: readonly MachineView[]): void {
  const took = views
    .map(({ name, lastBoot }) => `${name} in ${formatSeconds(lastBoot?.durationMs ?? 0)}`)
    .join(', ');
  const read = formatMiB(views.reduce((sum, machine) => sum + machine.bytesRead, 0));
  view.say('');
  view.say(
    'Two machines without disks have booted one Debian image at the same time, one by BIOS and one',
  );
  view.say(`by UEFI (from boot script to multi-user: ${took}). They read ${read} of it over NBD;`);
  view.say('what they write stays in write caches of their own.');
}
