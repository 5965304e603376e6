/** A remote export as a BlockDevice. */
import type {
  BlockDevice,
  Capabilities,
  Extent,
  ExtentKind,
  Geometry,
  Loan,
  WriteOptions,
  ZeroOptions,
} from '../../block/index.ts';
import { BlockError, type BlockOperation } from '../../errors/index.ts';
import {
  BASE_ALLOCATION,
  NBD_FLAG_CAN_MULTI_CONN,
  NBD_FLAG_READ_ONLY,
  NBD_FLAG_ROTATIONAL,
  NBD_FLAG_SEND_CACHE,
  NBD_FLAG_SEND_FAST_ZERO,
  NBD_FLAG_SEND_FLUSH,
  NBD_FLAG_SEND_FUA,
  NBD_FLAG_SEND_TRIM,
  NBD_FLAG_SEND_WRITE_ZEROES,
  NBD_STATE_HOLE,
  NBD_STATE_ZERO,
} from '../wire/constants.ts';
import type { NbdClient } from './client.ts';
import { PORTABLE_PAYLOAD } from './limits.ts';

/** Longest effect asked for in one request without extended headers; a multiple of every block size. */
const COMPACT_EFFECT = 2 ** 31;

/**
 * The device of a client's export. Closing it disconnects the client.
 *
 * Reads and writes are the client's, one request each. A trim or zero that is longer than the headers
 * can say, or than the server wants to do at once (EOVERFLOW), is sent in parts.
 */
export function nbdDevice(client: NbdClient): BlockDevice {
  return new NbdDevice(client);
}

class NbdDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #client: NbdClient;
  readonly #allocation: number | undefined;
  #closed = false;

  constructor(client: NbdClient) {
    this.#client = client;
    const { size, sizes, contexts } = client.negotiated;
    this.geometry = Object.freeze({
      size,
      minimumIo: sizes.minimum,
      preferredIo: sizes.preferred,
      maximumIo: Math.min(sizes.maximumPayload, PORTABLE_PAYLOAD),
    });
    this.#allocation = [...contexts].find(([, name]) => name === BASE_ALLOCATION)?.[0];
    const write = !client.has(NBD_FLAG_READ_ONLY);
    const zero = write && client.has(NBD_FLAG_SEND_WRITE_ZEROES);
    this.capabilities = Object.freeze({
      write,
      flush: client.has(NBD_FLAG_SEND_FLUSH),
      fua: write && client.has(NBD_FLAG_SEND_FUA),
      trim: write && client.has(NBD_FLAG_SEND_TRIM),
      zero,
      fastZero: zero && client.has(NBD_FLAG_SEND_FAST_ZERO),
      cache: client.has(NBD_FLAG_SEND_CACHE),
      extents: this.#allocation !== undefined,
      multiConn: client.has(NBD_FLAG_CAN_MULTI_CONN),
      rotational: client.has(NBD_FLAG_ROTATIONAL),
    });
  }

  read(target: Buffer, offset: number): Promise<void> {
    this.#check('read', offset, target.length);
    return this.#client.read(target, offset);
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#check('read', offset, length);
    return undefined; // nothing of it is in this machine's memory
  }

  write(source: Buffer, offset: number, options: WriteOptions): Promise<void> {
    this.#check('write', offset, source.length);
    return this.#client.write(source, offset, options);
  }

  flush(): Promise<void> {
    this.#check('flush', 0, 0);
    return this.#client.flush();
  }

  trim(offset: number, length: number, options: WriteOptions): Promise<void> {
    this.#check('trim', offset, length);
    return this.#inParts(offset, length, (at, part) => this.#client.trim(at, part, options));
  }

  zero(offset: number, length: number, options: ZeroOptions): Promise<void> {
    this.#check('zero', offset, length);
    return this.#inParts(offset, length, (at, part) => this.#client.zero(at, part, options));
  }

  async cache(offset: number, length: number): Promise<void> {
    this.#check('cache', offset, length);
    if (!this.capabilities.cache) return; // advisory
    await this.#inParts(offset, length, (at, part) => this.#client.cache(at, part));
  }

  async extents(offset: number, length: number, limit: number): Promise<Extent[]> {
    this.#check('extents', offset, length);
    const id = this.#allocation;
    if (id === undefined) return [{ offset, length, kind: 'data' }];
    const asked =
      this.#client.negotiated.style === 'extended' ? length : Math.min(length, COMPACT_EFFECT);
    const contexts = this.#client.negotiated.contexts.size > 1 ? {} : { contexts: [id] };
    const status = await this.#client.blockStatus(offset, asked, { one: limit === 1, ...contexts });
    const found: Extent[] = [];
    let at = offset;
    for (const extent of status.get(id) ?? []) {
      const end = Math.min(at + extent.length, offset + length);
      const kind = kindOf(extent.flags);
      const last = found.at(-1);
      if (last?.kind === kind) found[found.length - 1] = { ...last, length: end - last.offset };
      else if (found.length === limit) break;
      else found.push({ offset: at, length: end - at, kind });
      at = end;
      if (at === offset + length) break; // the last extent may reach beyond what was asked
    }
    return found;
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#client.disconnect();
  }

  #check(operation: BlockOperation, offset: number, length: number): void {
    if (!this.#closed) return;
    throw new BlockError('ESHUTDOWN', operation, offset, length, 'the device is closed');
  }

  async #inParts(
    offset: number,
    length: number,
    run: (offset: number, length: number) => Promise<void>,
  ): Promise<void> {
    const whole = this.#client.negotiated.style === 'extended' ? length : COMPACT_EFFECT;
    let part = Math.min(length, whole);
    for (let done = 0; done < length; ) {
      const now = Math.min(part, length - done);
      try {
        await run(offset + done, now);
        done += now;
      } catch (error) {
        // "MAY reply with an NBD_EOVERFLOW … if the oversize request would require too many resources"
        const tooLong = error instanceof BlockError && error.errno === 'EOVERFLOW';
        if (!tooLong || now <= this.geometry.maximumIo) throw error;
        part = this.geometry.maximumIo;
      }
    }
  }
}

/** HOLE without ZERO may read as anything: only data says that. */
function kindOf(flags: number): ExtentKind {
  if ((flags & NBD_STATE_ZERO) === 0) return 'data';
  return (flags & NBD_STATE_HOLE) === 0 ? 'zero' : 'hole';
}
