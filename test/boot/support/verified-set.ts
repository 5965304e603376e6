/** A guest that writes files on its disk and checks them again and again, from the disk and not from memory. */
import { expect } from 'vitest';
import type { SerialConsole } from '../../../src/service/demo/index.ts';
import { until } from '../../support/until.ts';

const COMMAND_MS = 120_000;
/** A machine that came back, on a busy host. */
const GOES_ON_MS = 180_000;

/** Keeps its counts in RAM: what is told of the disk must not wait for it. */
const SCRIPT = (folder: string): string => `
mkdir -p ${folder} /dev/shm
n=0
while [ ! -e /dev/shm/stop ]; do
  n=$((n + 1))
  dd if=/dev/urandom of=${folder}/file$((n % 8)) bs=64k count=16 conv=fsync || echo "write $n"
  sha256sum ${folder}/file$((n % 8)) > ${folder}/sum$((n % 8)) || echo "sum $n"
  sync || echo "sync $n"
  echo 3 > /proc/sys/vm/drop_caches
  sha256sum -c ${folder}/sum* > /dev/shm/checked 2>&1 || { echo "check $n"; cat /dev/shm/checked; }
  echo $n > /dev/shm/rounds.new && mv /dev/shm/rounds.new /dev/shm/rounds
done
touch /dev/shm/stopped
`;

export class VerifiedSet {
  readonly #guest: SerialConsole;

  private constructor(guest: SerialConsole) {
    this.#guest = guest;
  }

  /** @param guest its root shell; @param folder on its disk */
  static async start(guest: SerialConsole, folder: string): Promise<VerifiedSet> {
    const set = new VerifiedSet(guest);
    const script = Buffer.from(SCRIPT(folder)).toString('base64');
    await set.#shell(`mkdir -p /dev/shm; echo ${script} | base64 -d > /dev/shm/load`);
    await set.#shell('echo 0 > /dev/shm/rounds; : > /dev/shm/errors');
    // dd says on standard error what it did: only lines that begin with a word of ours, or of a failure.
    await set.#shell('sh /dev/shm/load < /dev/null > /dev/shm/errors 2> /dev/shm/said &');
    await set.advance(1);
    return set;
  }

  /** Until it has written and checked so many more rounds. */
  async advance(rounds: number): Promise<void> {
    const before = await this.rounds();
    const what = `the guest has checked ${before + rounds} rounds`;
    await until(what, async () => (await this.rounds()) >= before + rounds, GOES_ON_MS);
  }

  async rounds(): Promise<number> {
    return Number(await this.#shell('cat /dev/shm/rounds'));
  }

  async stop(): Promise<void> {
    await this.#shell('touch /dev/shm/stop; while [ ! -e /dev/shm/stopped ]; do sleep 1; done');
  }

  /** No request of the file system has failed, nor anything that it holds. */
  async isWhole(): Promise<void> {
    expect(await this.#shell('cat /dev/shm/errors; dmesg -c > /dev/shm/dmesg')).toBe('');
    const bad =
      'EXT4-fs error|EXT4-fs warning|I/O error[^:]* dev dm-|Remounting filesystem read-only|Aborting journal';
    expect(await this.#shell(`grep -E '${bad}' /dev/shm/dmesg || true`)).toBe('');
    expect(await this.#shell("grep ' ext4 ro[, ]' /proc/mounts || true")).toBe('');
  }

  #shell(command: string): Promise<string> {
    return this.#guest.run(command, COMMAND_MS);
  }
}
