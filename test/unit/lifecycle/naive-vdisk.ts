/**
 * What a vDisk with its versions and machines has to be, said as simply as it can be: every content is a whole
 * buffer, every rule a few lines. Layers are only counted, for what may be merged.
 */
export const REFUSED: unique symbol = Symbol('refused');

export interface NaiveVersion {
  readonly number: number;
  state: 'maintenance' | 'test' | 'production' | 'deleting';
  readonly isPrivate: boolean;
  content: Buffer;
  /** Shared by whatever stands on it, as a merge replaces it for all. */
  layer: { depth: number };
  releaseAt: number;
  writer: string | undefined;
  /** Nobody else may take it until the lease is over. */
  isLeased: boolean;
  /** It has an overlay: somebody has written it, or could have. */
  isBegun: boolean;
}

export interface NaiveMachine {
  readonly name: string;
  readonly persistent: boolean;
  readonly discards: boolean;
  class: 'production' | 'test' | 'maintenance';
  pin: number | undefined;
  isOn: boolean;
  /** Its own write cache; kept while it writes a version. */
  cache: { readonly content: Buffer; readonly layer: { depth: number } } | undefined;
  /** The version that is its disk instead, until its next boot. */
  writes: NaiveVersion | undefined;
}

export class NaiveVdisk {
  readonly versions: NaiveVersion[] = [];
  readonly machines: readonly NaiveMachine[];
  pin: number | undefined;
  now: number;
  #highest = 1;

  constructor(content: Buffer, machines: readonly NaiveMachine[], now: number) {
    this.machines = machines;
    this.now = now;
    this.versions.push(sealed(1, 'production', content, 1));
  }

  version(number: number): NaiveVersion | undefined {
    return this.versions.find((version) => version.number === number);
  }

  get sealed(): NaiveVersion[] {
    return this.versions.filter(({ state }) => state !== 'maintenance');
  }

  get open(): NaiveVersion | undefined {
    return this.versions.find(({ state }) => state === 'maintenance');
  }

  isReleased({ state, releaseAt }: NaiveVersion): boolean {
    return state === 'production' && releaseAt <= this.now;
  }

  production(): NaiveVersion | undefined {
    if (this.pin !== undefined) return this.version(this.pin);
    return this.versions.filter((version) => this.isReleased(version)).at(-1);
  }

  choice(machine: NaiveMachine): NaiveVersion | undefined {
    if (this.open?.isPrivate === true) return this.open;
    if (machine.pin !== undefined) return this.version(machine.pin);
    if (machine.class === 'maintenance' && this.open !== undefined) return this.open;
    if (machine.class !== 'production') {
      const tests = this.versions.filter(
        (version) =>
          version.state === 'test' || (version.state === 'production' && !this.isReleased(version)),
      );
      const newest = tests.at(-1);
      if (newest !== undefined && newest.number > (this.production()?.number ?? 0)) return newest;
    }
    return this.production();
  }

  off(machine: NaiveMachine): void {
    machine.isOn = false;
  }

  /** It boots and connects. */
  boot(machine: NaiveMachine): undefined | typeof REFUSED {
    this.off(machine);
    const choice = this.choice(machine);
    if (choice === undefined) return REFUSED;
    if (choice.state === 'maintenance') {
      if (!this.#take(choice, machine)) return REFUSED;
    } else {
      this.#stopWriting(machine);
      this.#giveCache(machine, choice);
    }
    machine.isOn = true;
    return undefined;
  }

  /** It connects again without having booted. */
  reconnect(machine: NaiveMachine): undefined | typeof REFUSED {
    const { writes: version } = machine;
    if (version !== undefined) {
      const isOpen = this.versions.includes(version) && version.state === 'maintenance';
      if (!isOpen || version.writer !== machine.name) return REFUSED;
    } else if (machine.cache === undefined) {
      const choice = this.choice(machine);
      if (choice === undefined) return REFUSED;
      if (choice.state === 'maintenance') {
        if (!this.#take(choice, machine)) return REFUSED;
      } else this.#giveCache(machine, choice);
    }
    machine.isOn = true;
    return undefined;
  }

  content(machine: NaiveMachine): Buffer {
    const content = machine.writes?.content ?? machine.cache?.content;
    if (content === undefined) throw new Error(`${machine.name} has no disk`);
    return content;
  }

  begin(from: number | undefined, isPrivate: boolean): undefined | typeof REFUSED {
    const usable = this.sealed.filter(({ state }) => state !== 'deleting');
    const parent = from === undefined ? usable.at(-1) : usable.find((v) => v.number === from);
    if (parent === undefined || this.open !== undefined) return REFUSED;
    if (isPrivate && this.machines.some(({ isOn }) => isOn)) return REFUSED;
    this.versions.push({
      ...sealed(++this.#highest, 'test', Buffer.from(parent.content), 0),
      state: 'maintenance',
      isPrivate,
      layer: parent.layer,
    });
    return undefined;
  }

  seal(number: number): undefined | typeof REFUSED {
    const version = this.version(number);
    if (version?.state !== 'maintenance' || !version.isBegun) return REFUSED;
    if (this.#isWritten(version)) return REFUSED;
    version.state = version.isPrivate ? 'production' : 'test';
    version.layer = { depth: version.layer.depth + 1 };
    return undefined;
  }

  promote(number: number, releaseAt: number): undefined | typeof REFUSED {
    const version = this.version(number);
    if (version === undefined || version.state === 'maintenance' || version.state === 'deleting')
      return REFUSED;
    if (this.isReleased(version)) return REFUSED;
    version.state = 'production';
    version.releaseAt = releaseAt;
    return undefined;
  }

  demote(number: number): undefined | typeof REFUSED {
    const version = this.version(number);
    if (version?.state !== 'production') return REFUSED;
    version.state = 'test';
    return undefined;
  }

  revert(to: number | undefined): undefined | typeof REFUSED {
    const current = this.production();
    const before =
      current === undefined
        ? undefined
        : this.versions.filter((v) => v.number < current.number && this.isReleased(v)).at(-1);
    const target = to === undefined ? before : this.version(to);
    if (target === undefined || target.state === 'maintenance' || target.state === 'deleting')
      return REFUSED;
    if (target === current) return REFUSED;
    for (const version of this.versions) {
      if (version.number > target.number && version.state === 'production') version.state = 'test';
    }
    target.state = 'production';
    target.releaseAt = 0;
    this.pin = undefined;
    return undefined;
  }

  pinTo(number: number | undefined): undefined | typeof REFUSED {
    const version = number === undefined ? undefined : this.version(number);
    if (number !== undefined && !isBootable(version)) return REFUSED;
    this.pin = number;
    return undefined;
  }

  delete(number: number): undefined | typeof REFUSED {
    const version = this.version(number);
    if (version === undefined || version.state === 'deleting') return REFUSED;
    if (version.state === 'maintenance') {
      if (this.#isWritten(version)) return REFUSED;
      this.#forget(version);
      return undefined;
    }
    const others = this.sealed.filter((v) => v !== version && v.state !== 'deleting');
    const isNeeded =
      this.pin === number ||
      this.machines.some(({ pin }) => pin === number) ||
      this.machines.some((m) => m.persistent && standsOn(m, version)) ||
      this.production() === version ||
      others.length === 0;
    if (isNeeded) return REFUSED;
    if (this.#isRead(version)) version.state = 'deleting';
    else this.#forget(version);
    return undefined;
  }

  /** @returns the new version's number */
  capture(machine: NaiveMachine): number | typeof REFUSED {
    const { cache, writes, isOn } = machine;
    if (isOn || writes !== undefined || cache === undefined) return REFUSED;
    const number = ++this.#highest;
    const content = Buffer.from(cache.content);
    this.versions.push(sealed(number, 'test', content, cache.layer.depth + 1));
    machine.cache = undefined;
    return number;
  }

  merge(number: number, mode: 'full' | 'partial'): undefined | typeof REFUSED {
    const version = this.version(number);
    if (!isBootable(version) || version.layer.depth < (mode === 'full' ? 2 : 3)) return REFUSED;
    version.layer.depth = mode === 'full' ? 1 : 2;
    return undefined;
  }

  /** Time passes: more than a lease. */
  advance(ms: number): void {
    this.now += ms;
    for (const version of this.versions) {
      const writer = this.machines.find(({ name }) => name === version.writer);
      version.isLeased = writer?.isOn === true && writer.writes === version;
    }
    for (const version of [...this.versions]) {
      if (version.state === 'deleting' && !this.#isRead(version)) this.#forget(version);
    }
  }

  /** Every connection is gone; nothing else is. */
  crash(): void {
    for (const machine of this.machines) machine.isOn = false;
  }

  #take(version: NaiveVersion, machine: NaiveMachine): boolean {
    const writer = this.machines.find(({ name }) => name === version.writer);
    if (writer !== undefined && writer !== machine) {
      if (version.isLeased || (writer.isOn && writer.writes === version)) return false;
    }
    version.writer = machine.name;
    version.isLeased = true;
    version.isBegun = true;
    machine.writes = version;
    return true;
  }

  #stopWriting(machine: NaiveMachine): void {
    const { writes } = machine;
    if (writes?.writer === machine.name) writes.writer = undefined;
    machine.writes = undefined;
  }

  #giveCache(machine: NaiveMachine, choice: NaiveVersion): void {
    const { cache } = machine;
    const keeps =
      cache !== undefined &&
      machine.persistent &&
      (cache.layer === choice.layer ||
        (!machine.discards && this.sealed.some((v) => v.layer === cache.layer)));
    if (!keeps) machine.cache = { content: Buffer.from(choice.content), layer: choice.layer };
  }

  #isWritten(version: NaiveVersion): boolean {
    return this.machines.some(({ isOn, writes }) => isOn && writes === version);
  }

  #isRead(version: NaiveVersion): boolean {
    return (
      this.machines.some((machine) => standsOn(machine, version)) ||
      (this.open?.isBegun === true && this.open.layer === version.layer)
    );
  }

  #forget(version: NaiveVersion): void {
    this.versions.splice(this.versions.indexOf(version), 1);
  }
}

function sealed(
  number: number,
  state: 'test' | 'production',
  content: Buffer,
  depth: number,
): NaiveVersion {
  const version = { isPrivate: false, content, layer: { depth }, releaseAt: 0 };
  return { ...version, number, state, writer: undefined, isLeased: false, isBegun: false };
}

function isBootable(version: NaiveVersion | undefined): version is NaiveVersion {
  return version?.state === 'test' || version?.state === 'production';
}

function standsOn({ cache }: NaiveMachine, version: NaiveVersion): boolean {
  return cache?.layer === version.layer;
}
