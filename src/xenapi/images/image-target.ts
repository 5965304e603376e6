/** What the decoders of an import share. */
import type { ByteFeed } from './byte-feed.ts';
import type { DeviceWriter } from './device-writer.ts';
import type { Pace } from './pace.ts';

export interface ImportJob {
  readonly feed: ByteFeed;
  /** Bytes of the body, as announced; undefined: nobody knows. */
  readonly length: number | undefined;
  readonly writer: DeviceWriter;
  readonly pace: Pace;
}
