import type { OutgoingStream } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import { STREAMS_AT_ONCE } from './limits.ts';

/** Streams that are open: each holds memory and layers until whoever asked for it is done. */
export class StreamCount {
  #open = 0;

  /** @throws Fault LIMIT_EXCEEDED, and what `open` throws */
  async counted(open: () => Promise<OutgoingStream>): Promise<OutgoingStream> {
    if (this.#open >= STREAMS_AT_ONCE) {
      throw new Fault('LIMIT_EXCEEDED', 'too many downloads are under way; wait for one to end', {
        field: 'downloads',
        value: this.#open,
        expected: `at most ${STREAMS_AT_ONCE} (STREAMS_AT_ONCE)`,
      });
    }
    this.#open += 1;
    let isOpen = true;
    const leave = (): void => {
      if (isOpen) this.#open -= 1;
      isOpen = false;
    };
    try {
      const stream = await open();
      return {
        length: stream.length,
        pieces: stream.pieces,
        close: () => stream.close().finally(leave),
      };
    } catch (error) {
      leave();
      throw error;
    }
  }
}
