import { bytes } from './format.ts';
import { PROGRESS_STEP_PERCENT } from './limits.ts';
import { drawBar } from './progress-bar.ts';
import type { Session } from './session.ts';

/** Tells on the way how much of a stream has passed. */
export async function* withProgress(
  session: Session,
  pieces: AsyncIterable<Buffer>,
  length: number | undefined,
  title: string,
): AsyncGenerator<Buffer> {
  const view = session.io.terminal === undefined ? lines(session, title) : bar(session, title);
  let done = 0;
  try {
    for await (const piece of pieces) {
      yield piece;
      done += piece.length;
      view.update(done, length);
    }
  } finally {
    view.stop();
  }
}

interface ProgressView {
  update(done: number, length: number | undefined): void;
  stop(): void;
}

const percentOf = (done: number, length: number | undefined): number =>
  length === undefined || length === 0 ? 0 : Math.floor((done / length) * 100);

function lines({ io }: Session, title: string): ProgressView {
  let told = 0;
  return {
    update(done, length) {
      const percent = percentOf(done, length);
      if (percent < told + PROGRESS_STEP_PERCENT) return;
      told = percent;
      io.stderr(`${title}: ${percent} %\n`);
    },
    stop() {},
  };
}

function bar(session: Session, title: string): ProgressView {
  const drawn = drawBar(session, title);
  return {
    update: (done, length) => drawn.update(percentOf(done, length), bytes(done)),
    stop: () => drawn.stop(),
  };
}
