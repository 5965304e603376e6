/**
 * A bundle that is fetched from another server. First comes its description, a bundle without chunks, which is
 * kept in a file: what breaks off there is cheap to begin anew. Then the chunks that are lacking here, which
 * are asked for as long as anything comes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { BundleOrigin } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import { type BundleHead, encodeChunkRequest, type FetchChunks } from '../../vdisk/index.ts';
import {
  DESCRIPTION_BYTES_MAX,
  PEER_ATTEMPTS,
  PEER_RETRY_MS,
  PEER_RETRY_MS_MAX,
} from './limits.ts';
import type { PeerClient } from './peer-client.ts';
import { type SpooledFile, spool } from './upload-spool.ts';

export interface PeerBundleParts {
  readonly client: PeerClient;
  readonly origin: Extract<BundleOrigin, { kind: 'server' }>;
  readonly temporaryFolder: string;
  readonly signal: AbortSignal;
  /** PEER_RETRY_MS unless given. */
  readonly retryMs?: number;
}

export class PeerBundle {
  readonly #parts: PeerBundleParts;

  constructor(parts: PeerBundleParts) {
    this.#parts = parts;
  }

  /** @throws Fault UNAVAILABLE, and what the other server refuses it with */
  async description(): Promise<SpooledFile> {
    const { client, origin, temporaryFolder, signal } = this.#parts;
    const { vdisk, versions, has } = origin;
    const query = new URLSearchParams({ chunks: 'none' });
    if (versions !== undefined) query.set('versions', versions.join());
    const path = `/vdisks/${encodeURIComponent(vdisk)}/bundle?${query}`;
    const bytes = Buffer.from(JSON.stringify({ contentIds: [...has] }));
    for (let failures = 1; ; failures += 1) {
      const pieces = client.post(path, { type: 'application/json', bytes }, signal);
      try {
        return await spool(
          { pieces, length: undefined },
          {
            folder: temporaryFolder,
            what: `the description of vDisk ${vdisk}`,
            bytesMax: DESCRIPTION_BYTES_MAX,
            progress: () => undefined,
            signal,
          },
        );
      } catch (error) {
        await this.retry(error, failures);
      }
    }
  }

  /** @param head of the description */
  fetchChunks({ versions }: BundleHead): FetchChunks {
    const { client, origin, signal } = this.#parts;
    const numbers = versions.filter(({ sent }) => sent).map(({ number }) => number);
    const query = new URLSearchParams({ vdisk: origin.vdisk, versions: numbers.join() });
    return (hashes) =>
      client.post(
        `/chunks?${query}`,
        { type: 'application/octet-stream', bytes: encodeChunkRequest(hashes) },
        signal,
      );
  }

  /**
   * Waits before the next attempt.
   * @param failures in a row
   * @throws what it was given, when there is to be none
   */
  async retry(error: unknown, failures: number): Promise<void> {
    const { client, signal, retryMs = PEER_RETRY_MS } = this.#parts;
    const brokeOff = error instanceof Fault && error.code === 'UNAVAILABLE';
    // A server that never answered is a wrong address rather than a bad line.
    if (!brokeOff || !client.hasAnswered || failures >= PEER_ATTEMPTS || signal.aborted)
      throw error;
    const wait = Math.min(retryMs * 2 ** (failures - 1), PEER_RETRY_MS_MAX);
    await delay(wait, undefined, { signal }).catch(() => {
      throw error;
    });
  }
}
