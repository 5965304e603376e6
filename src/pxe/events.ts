/** What the PXE servers tell the rest: for the machine's timeline, the event log and the metrics. */
import type { BootClient, BootFileRole, GuestStage } from './boot-catalog.ts';

export type PxeEvent =
  /** A machine's firmware asked, and what became of it. */
  | {
      readonly type: 'dhcp-boot-request';
      readonly client: BootClient;
      /** `ipxe`: the second stage, or a network card whose ROM is iPXE. */
      readonly stage: 'firmware' | 'ipxe';
      readonly outcome: 'answered' | 'ignored';
    }
  | { readonly type: 'dhcp-lease'; readonly mac: string; readonly address: string }
  | { readonly type: 'dhcp-released'; readonly mac: string; readonly address: string }
  /** A client found the address in use: quarantined. */
  | { readonly type: 'dhcp-declined'; readonly mac: string; readonly address: string }
  /** This and the next: one of a kind in ten seconds, the rest counted by `dhcp-dropped`. */
  | { readonly type: 'dhcp-refused'; readonly mac: string; readonly reason: string }
  | { readonly type: 'dhcp-pool-exhausted'; readonly mac: string }
  /** Packets dropped since the last such event; at most one event per reason in ten seconds. */
  | { readonly type: 'dhcp-dropped'; readonly reason: string; readonly count: number }
  | {
      readonly type: 'tftp-served';
      readonly address: string;
      readonly file: string;
      readonly bytes: number;
      readonly milliseconds: number;
    }
  | {
      readonly type: 'tftp-failed';
      readonly address: string;
      readonly file: string;
      readonly reason: string;
    }
  | { readonly type: 'loader-served'; readonly address: string; readonly file: string }
  /** A boot loader file is not installed; `message` names the Debian package. */
  | { readonly type: 'loader-missing'; readonly file: string; readonly message: string }
  /** A machine asks for its script, by HTTP: it is at this address. Before `script-served`. */
  | { readonly type: 'script-asked'; readonly mac: string; readonly address: string }
  | {
      readonly type: 'script-served';
      readonly mac: string;
      readonly outcome: 'boot' | 'queued' | 'local-disk' | 'error';
      /** The reason of `local-disk` and `error`. */
      readonly message: string | undefined;
    }
  /** The response ended: complete when `bytes` is what was asked for. */
  | {
      readonly type: 'file-served';
      readonly mac: string;
      readonly layerId: string;
      readonly role: BootFileRole;
      readonly bytes: number;
      readonly complete: boolean;
    }
  /** The guest says that it is up. */
  | { readonly type: 'machine-ready'; readonly mac: string; readonly address: string }
  /** The guest says how far it has come. */
  | { readonly type: 'machine-stage'; readonly mac: string; readonly stage: GuestStage }
  /** Something of ours or of the service threw; the client got no answer or an error. */
  | { readonly type: 'failure'; readonly where: string; readonly error: unknown };

export type PxeReporter = (event: PxeEvent) => void;
