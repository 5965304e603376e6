/** Who has volumes and snapshots open, and who may have them open together. */
import { Fault } from '../../errors/index.ts';

/**
 * serve: connections that may write. look: connections that read, whatever others write meanwhile. read: must not
 * change while it is read. write: nobody else may have it.
 */
export type UseKind = 'serve' | 'look' | 'read' | 'write';

const APART: Readonly<Record<UseKind, readonly UseKind[]>> = {
  serve: ['read', 'write'],
  look: ['write'],
  read: ['serve', 'write'],
  write: ['serve', 'look', 'read', 'write'],
};

const WHAT: Readonly<Record<UseKind, string>> = {
  serve: 'connections to',
  look: 'connections to',
  read: 'what reads',
  write: 'what writes',
};

interface Use {
  readonly kind: UseKind;
  count: number;
}

export class VolumeUses {
  /** By key (volumeKey, snapshotKey), then by the name under which it is open. */
  readonly #uses = new Map<string, Map<string, Use>>();

  /**
   * One more use, until `leave`.
   * @param name under which it is open: always of the same kind
   * @throws Fault IN_USE: somebody has it open who must not at the same time
   */
  enter(key: string, name: string, kind: UseKind): void {
    const uses = this.#uses.get(key) ?? new Map<string, Use>();
    const apart = [...uses].filter(([, use]) => APART[kind].includes(use.kind));
    if (apart.length > 0) throw inUse(apart);
    const use = uses.get(name) ?? { kind, count: 0 };
    use.count += 1;
    uses.set(name, use);
    this.#uses.set(key, uses);
  }

  leave(key: string, name: string): void {
    const uses = this.#uses.get(key);
    const use = uses?.get(name);
    if (uses === undefined || use === undefined) return;
    use.count -= 1;
    if (use.count > 0) return;
    uses.delete(name);
    if (uses.size === 0) this.#uses.delete(key);
  }

  /** Under which it is open. */
  names(key: string): readonly string[] {
    return [...(this.#uses.get(key)?.keys() ?? [])];
  }

  /** Who has it open, for people. */
  users(key: string): readonly string[] {
    return [...(this.#uses.get(key) ?? [])].map(described);
  }
}

function described([name, { kind, count }]: readonly [string, Use]): string {
  const times = count === 1 ? '' : ` (${count})`;
  return `${WHAT[kind]} ${name}${times}`;
}

function inUse(apart: readonly (readonly [string, Use])[]): Fault {
  const users = apart.map(described);
  return new Fault('IN_USE', `it is open: ${users.join(', ')}`, {
    field: 'connections',
    value: users,
    expected: 'nobody who has it open so that both cannot be',
  });
}
