/** What the messages of XenAPI work with. */
import type { Control } from '../control/index.ts';
import type { KeptObjects } from './objects/kept-objects.ts';
import type { Objects } from './objects/objects.ts';
import type { Operations } from './operations.ts';
import type { DiskPort } from './ports.ts';

export interface XenSettings {
  /** Of this server, as clients reach it. */
  readonly address: string;
  /** Where the NBD server listens, and what TLS it speaks. */
  readonly nbd: {
    /** As configured: an address of its own, or one that stands for all; absent: all. */
    readonly host?: string;
    readonly port: number;
    readonly tls: 'off' | 'allowed' | 'required';
    /** PEM; undefined: it has none. */
    readonly certificate: string | undefined;
  };
}

export interface Xen {
  readonly control: Control;
  readonly objects: Objects;
  readonly kept: KeptObjects;
  readonly operations: Operations;
  readonly disks: DiskPort;
  readonly settings: XenSettings;
  readonly log: (what: string, error: unknown) => void;
}
