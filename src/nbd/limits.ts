/**
 * What one NBD server allows. Every limit has its line in docs/LIMITS.md. Bytes and milliseconds.
 * Limits of single protocol fields: wire/limits.ts.
 */
const KIB = 1024;
const MIB = 1024 * KIB;

export interface NbdLimits {
  /** Open connections; one more is closed before the greeting. */
  readonly connections: number;
  /** From accept to the start of transmission, TLS included. Then the connection is closed. */
  readonly handshakeMs: number;
  /** Options in one handshake. Then the connection is closed. */
  readonly options: number;
  /** Maximum payload as advertised by NBD_INFO_BLOCK_SIZE. */
  readonly advertisedPayload: number;
  /** Largest read or write that is served. Clients that never ask for block sizes use up to 48 MiB. */
  readonly payload: number;
  /** Requests of one connection that wait for the device. Then its socket is not read. */
  readonly requestsInFlight: number;
  /** Payloads and replies that one connection keeps in memory. Then its socket is not read. */
  readonly bytesInFlight: number;
  /** The same for all connections together. */
  readonly totalBytesInFlight: number;
  /** What a connection may hold even when the total is used up, so that none can starve another. */
  readonly guaranteedBytes: number;
  /** Replies that a client has not taken yet. Then its socket is not read. */
  readonly unsentBytes: number;
  /** A large payload of which nothing arrives for this long closes the connection. */
  readonly payloadStallMs: number;
  /** Silence after which TCP asks whether the client's host is still there; if not, it is closed. */
  readonly keepAliveMs: number;
  /** How long nothing that a client was sent is acknowledged until its host is taken for gone (Linux). */
  readonly unacknowledgedMs: number;
  /** Extents in one block status reply. */
  readonly extents: number;
  /** Free payload buffers that are kept for the next request. */
  readonly pooledBytes: number;
  /** How long a client that is still in the handshake gets to take NBD_REP_ERR_SHUTDOWN. */
  readonly drainHandshakeMs: number;
  /** How long the last replies of an ended connection get to reach a client that does not close. */
  readonly lingerMs: number;
}

export const DEFAULT_LIMITS: NbdLimits = Object.freeze({
  connections: 4096,
  handshakeMs: 15_000,
  options: 256,
  advertisedPayload: 32 * MIB,
  payload: 64 * MIB,
  requestsInFlight: 1024,
  bytesInFlight: 64 * MIB,
  totalBytesInFlight: 512 * MIB,
  guaranteedBytes: 256 * KIB,
  unsentBytes: 8 * MIB,
  payloadStallMs: 60_000,
  keepAliveMs: 20_000,
  unacknowledgedMs: 30_000,
  extents: 65_536,
  pooledBytes: 16 * MIB,
  drainHandshakeMs: 250,
  lingerMs: 2_000,
});

/** How often the kernel is asked which clients acknowledge nothing, while there are silent ones. */
export const LOST_PEER_LOOK_MS = 5_000;

/** How often one block status request may ask the device, which may stop early each time. */
export const STATUS_CALLS = 64;

/**
 * What one read of a socket may bring: 32 writes of 4 KiB, which are a little more than 128 KiB, in one event. One buffer of this
 * size serves all connections of a server.
 */
export const READ_BUFFER_BYTES = 256 * KIB;

/** Reads up to this size are copied into the batch of replies; longer ones are lent or pooled. */
export const COPIED_READ = 16 * KIB;

/** Memory in which the replies of a batch are put together. Several COPIED_READ fit. */
export const SLAB_SIZE = 256 * KIB;

/** Free slabs that are kept. */
export const POOLED_SLABS = 32;

/** Reads from this size on are worth asking for holes. */
export const SPARSE_READ = 64 * KIB;

/** Content chunks of one sparse read; a more fragmented one goes out as plain data. */
export const SPARSE_CHUNKS = 16;

/** Payloads from this size on are watched for stalls. */
export const WATCHED_PAYLOAD = 256 * KIB;

/** Requests that the connections of one export may start before the others are heard again. */
export const TURN_REQUESTS = 256;

/** … and bytes of their payloads and replies; a single request may be larger. */
export const TURN_BYTES = MIB;

/** Below these a turn need not be ended: most machines ask less in many turns. */
export const TURN_QUIET_REQUESTS = 32;
export const TURN_QUIET_BYTES = 128 * KIB;

/** Read events of single requests in a row after which a connection seems to wait for each answer. */
export const SHALLOW_EVENTS = 64;

/** The same, after which it surely does: chance makes long rows where each is answered at once. */
export const DEEP_EVENTS = 4096;

/** As so many of those counts one before which the thread has slept: then requests come together if they can. */
export const NAP_EVENTS = DEEP_EVENTS / SHALLOW_EVENTS;

/** What the coalescer asks the kernel to sleep, one longer than the other; timer slack adds some 60 µs. */
export const COALESCE_NAPS_MS: readonly number[] = [0.001, 0.05, 0.1];

/** How long throughput with and without sleep is measured each time. */
export const COALESCE_WINDOW_MS = 20;

/** Windows with sleep for each one without. */
export const COALESCE_NAP_WINDOWS = 31;

/** No sleep for this long after it turned out to cost throughput; doubles each time. */
export const COALESCE_OFF_MS = 1_000;
export const COALESCE_OFF_LONGEST_MS = 60_000;

/** Rounds of the event loop without sleep after a client that waits for each answer was heard. */
export const COALESCE_SHALLOW_TURNS = 256;

/** Requests larger than this on average are not worth sleeping for. */
export const COALESCE_LARGE_BYTES = 16 * KIB;

/** How long the thread stays awake for the next request of a client that waits for each answer. */
export const BUSY_POLL_MS = 0.05;

/** Requests that must come in one stretch of staying awake to make it worth its while. */
export const BUSY_POLL_WORTH = 4;

/** Stretches in a row that were not, after which it sleeps as usual for a while, which doubles. */
export const BUSY_POLL_BAD_MOMENTS = 8;
export const BUSY_POLL_OFF_MS = 100;
export const BUSY_POLL_OFF_LONGEST_MS = 10_000;
