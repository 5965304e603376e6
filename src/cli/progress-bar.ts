import { Presets, SingleBar } from 'cli-progress';
import type { Session } from './session.ts';

export interface ProgressBar {
  update(percent: number, message: string): void;
  stop(): void;
}

/** Drawn on the session's terminal, as long as it is not stopped. */
export function drawBar({ io }: Session, title: string): ProgressBar {
  const drawn = new SingleBar(
    {
      format: `${title} {bar} {percentage} % {message}`,
      hideCursor: true,
      ...(io.terminal === undefined ? {} : { stream: io.terminal }),
    },
    Presets.shades_classic,
  );
  drawn.start(100, 0, { message: '' });
  return {
    update: (percent, message) => drawn.update(percent, { message }),
    stop: () => drawn.stop(),
  };
}
