/** A target, a data port and what they are opened with, for one test file. */
import { afterEach } from 'vitest';
import {
  IscsiDataPort,
  type IscsiDevice,
  type IscsiOpen,
  type Timers,
} from '../../../../src/iscsi/index.ts';
import { IscsiTarget, type TargetScript } from '../../../support/iscsi-target.ts';
import { type DiskOptions, TargetDisk } from '../../../support/iscsi-target-disk.ts';

export const QUIET = { info() {}, warn() {} };
export const IQN = 'iqn.2026-01.test:target';
export const INITIATOR = 'iqn.2026-01.test:initiator';
export const SIZE = 256 * 1024;

/** Everything that was started through it ends after each test. */
export function benchOfTargets() {
  const targets: IscsiTarget[] = [];
  const ports: IscsiDataPort[] = [];
  afterEach(async () => {
    for (const target of targets) target.script = {};
    await Promise.all(targets.splice(0).map((target) => target.stop()));
    await Promise.all(ports.splice(0).map((port) => port.close()));
  });
  return {
    async target(script: TargetScript = {}, disk: Partial<DiskOptions> = {}): Promise<IscsiTarget> {
      const target = await IscsiTarget.start(new TargetDisk({ size: SIZE, ...disk }), script);
      targets.push(target);
      return target;
    },
    open(
      portals: readonly IscsiTarget[] | readonly string[],
      more: Partial<IscsiOpen> = {},
      timers?: Timers,
    ): Promise<IscsiDevice> {
      const port = new IscsiDataPort(
        timers === undefined ? { log: QUIET } : { log: QUIET, timers },
      );
      ports.push(port);
      const names = portals.map((portal) => (typeof portal === 'string' ? portal : portal.portal));
      const base = { iqn: IQN, lun: 1, initiatorName: INITIATOR, write: true };
      return port.open({ ...base, portals: names, ...more });
    },
  };
}

/** Time that passes only when it is told to. */
export class ManualTime implements Timers {
  #now = 0;
  readonly #due = new Set<{ at: number; action: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, action: () => void): () => void {
    const entry = { at: this.#now + ms, action };
    this.#due.add(entry);
    return () => this.#due.delete(entry);
  }

  /** Real events that are under way happen in between. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      const next = [...this.#due].sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#due.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.action();
    }
    this.#now = end;
  }
}
