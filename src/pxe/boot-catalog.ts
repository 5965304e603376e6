/**
 * THE PORT. Everything that the PXE servers know about machines, vDisks and leases comes through
 * here; the service implements it, tests implement it in memory. The rest of src/pxe speaks
 * protocols only.
 */
import type { MaybePromise } from '../base/index.ts';

/** Firmware families that change what a boot script may do. */
export type Firmware = 'bios' | 'uefi';

/** Processor as the firmware reported it (RFC 4578 §2.1, IANA "Processor Architecture Types"). */
export type ClientArchitecture = 'x86-bios' | 'x86-uefi' | 'x64-uefi' | 'arm-uefi' | 'arm64-uefi';

/** A machine whose firmware (or iPXE) asked for a boot. */
export interface BootClient {
  /** Lower case with colons: `52:54:00:12:34:56`. */
  readonly mac: string;
  readonly architecture: ClientArchitecture;
  readonly firmware: Firmware;
  /** SMBIOS UUID (option 97), lower case with hyphens; undefined when the firmware sent none. */
  readonly uuid: string | undefined;
}

/** What UEFI firmware is given first; `auto`, or nothing: what the configuration says. */
export type LoaderChoice = 'auto' | 'ipxe' | 'grub';

/** What to do with a machine, asked once per DHCP packet of a booting machine. */
export type BootDecision =
  /** It has a vDisk, or is not approved or is disabled: answer, and let the script say which. */
  | { readonly kind: 'boot'; readonly loader?: LoaderChoice }
  /** Answered too; its script says `reason` on the screen and boots the local disk. */
  | { readonly kind: 'local-disk'; readonly reason: string; readonly loader?: LoaderChoice }
  /** Not ours: no PXE answer at all (it still gets an address in full mode). */
  | { readonly kind: 'ignore' };

/** Which initramfs the image was built with; decides how root over NBD is spelled. */
export type Initramfs = 'initramfs-tools' | 'dracut';

/** Everything that the script of one boot needs. */
export interface MachineBootPlan {
  readonly kind: 'boot';
  /** Name of the machine: the NBD export is `machine/NAME`. */
  readonly machine: string;
  readonly vdisk: string;
  /** For the screen only, e.g. `3`. */
  readonly version: string;
  /** Names the files in the URLs, so that a promotion between script and kernel mixes nothing. */
  readonly layerId: string;
  readonly hasInitrd: boolean;
  readonly initramfs: Initramfs;
  /** Partition of the root file system: `p1`; '' when the whole disk is the file system. */
  readonly rootPartition: string;
  /** `ext4` …; undefined: the kernel finds out. */
  readonly rootFilesystem: string | undefined;
  /** Appended to the command line as they are: of the vDisk, then of the machine. */
  readonly kernelArguments: readonly string[];
}

export type BootPlan =
  | MachineBootPlan
  /** Too many boot now: it is not a boot yet, and asks again, which keeps its place. */
  | {
      readonly kind: 'queued';
      /** From 1. */
      readonly place: number;
      readonly waiting: number;
      readonly askAgainSeconds: number;
    }
  /** Waiting for approval, disabled, no vDisk: `reason` goes on the screen. */
  | { readonly kind: 'local-disk'; readonly reason: string };

/** What a guest may tell of its boot, besides that it is ready. */
export const GUEST_STAGES = ['root-mounted'] as const;
export type GuestStage = (typeof GUEST_STAGES)[number];

export type BootFileRole = 'kernel' | 'initrd';

export interface BootFileRequest {
  readonly mac: string;
  readonly layerId: string;
  readonly role: BootFileRole;
}

/** A file on this host. It must not change while it is served: a sealed layer's never does. */
export interface BootFile {
  readonly path: string;
  /** In bytes. */
  readonly size: number;
}

/** `env`: lines `NAME='value'` that a POSIX shell reads. */
export type PersonalityFormat = 'json' | 'env';

export type CacheMode = 'server' | 'device-ram' | 'device-disk' | 'device-ram-overflow';
export type CacheState = 'refused' | 'good' | 'filling' | 'nearly-full' | 'full' | 'failed';

/** What a machine says of its write cache. */
export interface CacheReport {
  /** undefined: it has none and does not boot. */
  readonly mode: CacheMode | undefined;
  readonly state: CacheState;
  /** Printable ASCII; may be empty. */
  readonly reason: string;
  /** Bytes. */
  readonly sizeBytes: number;
  readonly usedBytes: number;
}

export type ReportOutcome =
  | { readonly kind: 'kept' }
  /** Nobody with this address has a write cache of its own. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly why: string };

export type IdentityAnswer =
  /** Lines for a shell. */
  | { readonly kind: 'identity'; readonly text: string }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly why: string };

export interface BootCatalog {
  /**
   * Cheap and idempotent: firmware repeats its packets. Enrols an unknown machine by policy. A
   * throw is reported and answered like `ignore`.
   */
  decide(client: BootClient): MaybePromise<BootDecision>;
  /**
   * Whether the machine may be running now: full mode gives its address to nobody else, even when its
   * lease has ended. An initramfs configures the network once and never renews. Must be cheap.
   */
  isUp(mac: string): boolean;
  /**
   * The machine fetched its boot script: this *is* a boot, and renews a `server` overlay, unless it is queued.
   * What it
   * throws (a Fault) is shown on the machine's screen, which tries again.
   * @param bootUrl where machines reach our HTTP server; known once its port is bound
   */
  bootRequested(mac: string, bootUrl: string): MaybePromise<BootPlan>;
  /**
   * undefined: there is no such layer, it has no such file, or it is not this machine's. Whoever asks
   * has shown nothing but a MAC address.
   */
  openFile(request: BootFileRequest): MaybePromise<BootFile | undefined>;
  /**
   * What makes this machine different from the others of its image, as text in the format asked for.
   * undefined: nobody has the address, or it gets none. Whoever asks has shown nothing but a MAC address.
   */
  personality(mac: string, format: PersonalityFormat): MaybePromise<string | undefined>;
  /**
   * What stays the same of a machine at every boot, SSH host keys among it. Whoever asks has shown nothing
   * but a MAC address. @param address whose
   */
  identity(mac: string, address: string): MaybePromise<IdentityAnswer>;
  /** Anybody can say it. */
  cacheReported(mac: string, report: CacheReport): MaybePromise<ReportOutcome>;
}

/** A lease, or an address that a client found in use by somebody else. */
export interface Lease {
  /** Dotted quad; the key. */
  readonly address: string;
  readonly mac: string;
  /** `declined`: in quarantine until `expiresAt`, given to nobody. */
  readonly state: 'bound' | 'declined';
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** Where full mode keeps its leases over restarts. Expired ones are kept: they are preferences. */
export interface LeaseStore {
  load(): MaybePromise<readonly Lease[]>;
  /** Durable when it returns: the ACK is sent after it. Replaces the lease of that address. */
  save(lease: Lease): MaybePromise<void>;
  remove(address: string): MaybePromise<void>;
}
