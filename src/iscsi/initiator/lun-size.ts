/**
 * How large a LUN is: what all of its paths say. An array may tell of a growth on one path before another one knows, so
 * more is used only when every path that is ready has seen it; and a path that comes back with less than is in use is
 * not used until it has caught up.
 *
 * A LUN on which every path goes on saying that it has become smaller has become smaller. It is used then as it is: what
 * lies beyond its end fails with the target's own error.
 */
import { RECHECK_MS, SHRUNK_LOOKS } from './limits.ts';
import type { LunPath } from './lun-path.ts';
import type { Timers } from './timers.ts';

export class LunSize {
  readonly #paths: readonly LunPath[];
  readonly #timers: Timers;
  readonly #resized: (blocks: number) => void;
  #blocks: number | undefined;
  #cancelCatchUp: (() => void) | undefined;
  #closed = false;

  constructor(paths: readonly LunPath[], timers: Timers, resized: (blocks: number) => void) {
    this.#paths = paths;
    this.#timers = timers;
    this.#resized = resized;
  }

  /** That every path has which is ready; undefined: none was yet. */
  get blocks(): number | undefined {
    return this.#blocks;
  }

  /** A look at the LUN by one path. @returns false: it has less than is in use, and is not to be used */
  seen(path: LunPath, blocks: number): boolean {
    path.blocks = blocks;
    if (this.#blocks === undefined || blocks >= this.#blocks) {
      path.smallerLooks = 0;
      return true;
    }
    path.smallerLooks += 1;
    // The others are asked meanwhile (`agree`), so that they have noticed if it is true.
    const denied = this.#paths.some(
      (other) => other !== path && (other.state === 'ready' || other.relooking),
    );
    return path.smallerLooks > SHRUNK_LOOKS && !denied;
  }

  /** Takes what all paths agree on. Where they do not, asks again, at once and then until they do. */
  agree(): void {
    const ready = this.#paths.filter(({ state }) => state === 'ready');
    const before = this.#blocks;
    if (ready.length > 0) this.#blocks = Math.min(...ready.map(blocksOf));
    if (before !== undefined && this.#blocks !== undefined && before !== this.#blocks) {
      this.#resized(this.#blocks);
    }
    const ours = this.#paths.filter(({ state }) => state === 'ready' || state === 'smaller');
    const agreed = new Set(ours.map(blocksOf)).size <= 1;
    if (agreed || this.#closed || this.#cancelCatchUp !== undefined) return;
    for (const path of ready) path.measure().catch(() => undefined);
    this.#cancelCatchUp = this.#timers.after(RECHECK_MS, () => {
      this.#cancelCatchUp = undefined;
      this.agree();
    });
  }

  /** Asks on every path that is ready. @returns whether anybody answered @throws IscsiError, LunUnusable nobody did */
  async measure(): Promise<boolean> {
    const asked = this.#paths.filter((path) => path.state === 'ready' || path.relooking);
    const answers = await Promise.allSettled(asked.map((path) => path.measure()));
    const failed = answers.find((answer) => answer.status === 'rejected');
    const answered = answers.some((answer) => answer.status === 'fulfilled');
    if (!answered && failed !== undefined) throw failed.reason;
    return answered;
  }

  close(): void {
    this.#closed = true;
    this.#cancelCatchUp?.();
  }
}

const blocksOf = ({ blocks }: LunPath): number => blocks ?? 0;
