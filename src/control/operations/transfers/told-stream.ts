import { type Control, type NewEvent, recordEvent } from '../../control.ts';
import type { OutgoingStream } from '../../transfer-port.ts';

/** A stream of which the audit says that it was begun, and that all of it was taken. */
export function toldStream(
  control: Control,
  stream: OutgoingStream,
  events: { readonly begun: NewEvent; readonly ended: (bytes: number) => NewEvent },
): OutgoingStream {
  return {
    length: stream.length,
    pieces: told(control, stream.pieces, events),
    close: () => stream.close(),
  };
}

async function* told(
  control: Control,
  pieces: AsyncIterable<Buffer>,
  events: { readonly begun: NewEvent; readonly ended: (bytes: number) => NewEvent },
): AsyncGenerator<Buffer> {
  recordEvent(control, events.begun);
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    yield piece;
  }
  recordEvent(control, events.ended(bytes));
}
