/** PXE's port onto the control plane: every answer is one operation. */
import {
  bootOrWait,
  type Control,
  decideBoot,
  deleteLease,
  identityText,
  loadLeases,
  machinesUp,
  mayReadLayer,
  noteBootStage,
  personalityText,
  type BootPlan as RequestedBoot,
  recordEvent,
  reportCache,
  saveLease,
} from '../control/index.ts';
import type {
  BootCatalog,
  BootClient,
  BootDecision,
  BootFile,
  BootFileRequest,
  BootPlan,
  LeaseStore,
  PxeEvent,
} from '../pxe/index.ts';
import type { LayerShelf } from './layer-shelf.ts';
import type { Log } from './log.ts';

const LOCAL_REASONS: Readonly<Record<'waiting' | 'refused' | 'disabled', string>> = {
  waiting: 'This machine waits for approval (rootcast enrolment list).',
  refused: 'This machine was refused (rootcast enrolment list).',
  disabled: 'This machine is disabled.',
};

/** How long an answer about which machines are up stays good. */
const UP_KNOWN_MS = 1_000;

/** The file that holds a boot file in the layer's boot folder. */
const FILE_NAMES = { kernel: 'vmlinuz', initrd: 'initrd' } as const;

export function bootCatalog(control: Control, layers: LayerShelf): BootCatalog {
  let up: { readonly macs: ReadonlySet<string>; readonly at: number } | undefined;
  return {
    isUp(mac: string): boolean {
      const now = control.clock.now();
      // A whole range may be asked about for one packet.
      if (up === undefined || now - up.at >= UP_KNOWN_MS)
        up = { macs: machinesUp(control), at: now };
      return up.macs.has(mac);
    },

    decide(client: BootClient): BootDecision {
      const decision = decideBoot(control, { mac: client.mac, arch: client.architecture });
      const { bootLoader: loader } = decision;
      return decision.kind === 'boot'
        ? { kind: 'boot', loader }
        : { kind: 'local-disk', reason: LOCAL_REASONS[decision.reason], loader };
    },

    async bootRequested(mac: string, bootUrl: string): Promise<BootPlan> {
      const decision = decideBoot(control, { mac, arch: 'unknown' });
      if (decision.kind === 'local') {
        return { kind: 'local-disk', reason: LOCAL_REASONS[decision.reason] };
      }
      // What is refused for now (another machine writes the version) is told, and asked again by itself.
      const answer = await bootOrWait(control, mac);
      if (answer.kind === 'queued') return answer;
      const { plan } = answer;
      return {
        kind: 'boot',
        machine: plan.machineName,
        vdisk: plan.vdiskName,
        version: String(plan.version),
        layerId: plan.layerId,
        hasInitrd: plan.bootFiles.initrd !== undefined,
        initramfs: plan.bootFiles.initramfs === 'dracut' ? 'dracut' : 'initramfs-tools',
        rootPartition: plan.bootFiles.rootPartition,
        rootFilesystem: plan.bootFiles.rootFilesystem,
        kernelArguments: [
          ...(plan.kernelArguments === '' ? [] : plan.kernelArguments.split(' ')),
          // One image, many machines: without a name of its own each would have the image's.
          `systemd.hostname=${plan.machineName}`,
          `rootcast.ready=${bootUrl}/boot/ready?mac=${mac}`,
          `rootcast.personality=${bootUrl}/boot/personality?mac=${mac}`,
          ...cacheWords(plan.deviceCache),
        ],
      };
    },

    personality(mac, format) {
      return personalityText(control, mac, format);
    },

    identity(mac, address) {
      return identityText(control, mac, address);
    },

    cacheReported(mac, report) {
      return reportCache(control, mac, report);
    },

    openFile({ mac, layerId, role }: BootFileRequest): BootFile | undefined {
      if (!mayReadLayer(control, mac, layerId)) return undefined;
      return layers.bootFile(layerId, FILE_NAMES[role]);
    },
  };
}

/** boot/lib/rootcast-cache.sh reads them; what an operator adds comes after and counts instead. */
function cacheWords(cache: RequestedBoot['deviceCache']): readonly string[] {
  if (cache === undefined) return [];
  const { asked, fallbacks } = cache;
  const otherwise = fallbacks.length === 0 ? 'refuse' : fallbacks.join(',');
  return [`rootcast.cache=${asked}`, `rootcast.cache.fallback=${otherwise}`];
}

export function leaseStore(control: Control): LeaseStore {
  return {
    load: () =>
      loadLeases(control).map(({ ip, mac, expiresAt, state }) => ({
        address: ip,
        mac,
        expiresAt,
        state: state === 'declined' ? 'declined' : 'bound',
      })),
    save: ({ address, mac, expiresAt, state }) =>
      saveLease(control, { ip: address, mac, expiresAt, state }),
    remove: (address) => deleteLease(control, address),
  };
}

/** What PXE reports: stages of a boot for its timeline, trouble for the event log, the rest for the log. */
export function pxeReporter(control: Control, log: Log): (event: PxeEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'script-served':
        if (event.outcome === 'boot') noteBootStage(control, event.mac, 'script');
        else if (event.outcome === 'queued') log.debug(event, 'boot script');
        else log.warn(event, 'boot script');
        return;
      case 'script-asked':
        control.preludes.script(event.mac, event.address, control.clock.now());
        return;
      case 'machine-stage':
        noteBootStage(control, event.mac, event.stage);
        return;
      case 'file-served':
        if (event.complete) noteBootStage(control, event.mac, event.role);
        return;
      case 'machine-ready':
        noteBootStage(control, event.mac, 'ready');
        return;
      case 'loader-missing':
        recordEvent(control, {
          kind: 'pxe.loader-missing',
          subject: event.file,
          message: event.message,
        });
        log.warn(event, 'boot loader missing');
        return;
      case 'dhcp-pool-exhausted':
        recordEvent(control, {
          kind: 'dhcp.pool-exhausted',
          subject: event.mac,
          message: `no free address for ${event.mac}: widen pxe.dhcp.rangeStart … rangeEnd`,
        });
        log.warn(event, 'address pool exhausted');
        return;
      case 'dhcp-declined':
      case 'dhcp-refused':
      case 'dhcp-dropped':
      case 'tftp-failed':
        log.warn(event, 'pxe');
        return;
      case 'failure':
        log.error({ where: event.where, err: event.error }, 'pxe');
        return;
      case 'dhcp-boot-request':
        control.preludes.dhcp(event.client.mac, control.clock.now());
        log.info(event, 'pxe');
        return;
      case 'tftp-served':
      case 'loader-served':
        control.preludes.loader(event.address, control.clock.now());
        log.info(event, 'pxe');
        return;
      case 'dhcp-lease':
      case 'dhcp-released':
        log.info(event, 'pxe');
        return;
    }
  };
}
