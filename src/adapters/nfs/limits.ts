/** What the NFS client allows and how long it waits. Each limit has a line in docs/LIMITS.md. */

/** Seconds for which requests wait for a server that does not answer, unless the setting `patience` says otherwise. */
export const PATIENCE_S = 60;

/** The same for looking at a server that is not attached yet, at most. */
export const PROBE_PATIENCE_S = 10;

/** Longest `patience` in seconds. */
export const PATIENCE_MOST_S = 24 * 60 * 60;

/** Milliseconds without a byte from the server, while it owes an answer, after which it is asked for a sign of life. */
export const SILENCE_MS = 5000;

/** Milliseconds that it then has until the connection is made anew. */
export const SIGN_OF_LIFE_MS = 5000;

/** How often waiting calls are looked at, in milliseconds. */
export const SWEEP_MS = 250;

/** Milliseconds for a TCP connection to be made. */
export const CONNECT_MS = 5000;

/** Pause before a connection is made again, in milliseconds: doubled from the first to the second. */
export const RECONNECT_FIRST_MS = 20;
export const RECONNECT_MOST_MS = 2000;

/** Pause before a call that the server put off (JUKEBOX, DELAY, GRACE) is made again, in milliseconds. */
export const PUT_OFF_FIRST_MS = 50;
export const PUT_OFF_MOST_MS = 2000;

/** TCP connections to a server, at most (the setting `nconnect`). */
export const CONNECTIONS_MOST = 16;

/** Calls on one connection that wait for their answer. One more waits for a place. */
export const CALLS_IN_FLIGHT = 128;

/** Keep-alive probes of TCP start after this many idle milliseconds. */
export const KEEP_ALIVE_MS = 30_000;

/** What one read of a socket may bring, in bytes. One buffer serves all connections of a thread. */
export const READ_BUFFER_BYTES = 512 * 1024;

/** Memory in which calls are put together, in bytes. */
export const SLAB_BYTES = 64 * 1024;

/** Reserved ports tried for a connection before an ordinary one is taken. */
export const RESERVED_PORT_TRIES = 16;

/** Longest answer to a call that is not a READ, in bytes. */
export const PLAIN_REPLY_BYTES = 256 * 1024;

/** What a folder's page may take in one reply, in bytes. */
export const FOLDER_PAGE_BYTES = 64 * 1024;

/** Files in one folder. A repository with more is not attached. */
export const FOLDER_ENTRIES = 200_000;

/** Largest READ and WRITE in bytes, whatever the server offers. */
export const TRANSFER_BYTES = 1024 * 1024;

/** READ and WRITE of a server that says nothing of its limits, in bytes. */
export const TRANSFER_DEFAULT_BYTES = 64 * 1024;

/** Smallest READ and WRITE that may be configured, in bytes. */
export const TRANSFER_LEAST_BYTES = 4096;

/** Memory for written data, in bytes: one piece of it. Four of the largest WRITEs with their headers. */
export const WRITE_SEGMENT_BYTES = 4 * 1024 * 1024 + 16 * 1024;

/** Written data of one file that is not committed yet, in bytes; beyond, it is committed in the background. */
export const COMMIT_BEHIND_BYTES = 16 * 1024 * 1024;

/** The same in writes: zeroes take no memory. */
export const COMMIT_BEHIND_WRITES = 16_384;

/** Written data of all files of a repository in one thread that is not committed yet, in bytes; beyond, writes wait. */
export const UNCOMMITTED_BYTES = 96 * 1024 * 1024;

/** Milliseconds after which written data is committed even though nobody asked. */
export const COMMIT_IDLE_MS = 5000;

/** How often a thread that waits for the unstable data of another one looks for itself, in milliseconds. */
export const SHARING_LOOK_MS = 250;

/** Free segments kept for the next write. */
export const SPARE_SEGMENTS = 4;

/** Requests into which one large request is split, at the same time. */
export const PARTS_AT_ONCE = 16;

/** Lease of NFSv4 that is assumed when the server does not say, in seconds. */
export const LEASE_S = 30;

/** Attempts at what another state of the server made fail, before it is given up. */
export const STATE_ATTEMPTS = 8;

/** Names that a path may have. */
export const PATH_DEPTH = 64;

/** Folders of a pseudo file system that are looked at for exports. */
export const PSEUDO_FOLDERS = 256;

/** Longest marker or sidecar file, in bytes. */
export const RECORD_FILE_BYTES = 64 * 1024;

/** Volumes in one answer. */
export const VOLUMES_IN_PAGE = 200;

/** Files that are looked at at the same time. */
export const FILES_AT_ONCE = 16;

/** Zeroes of a thick volume are written in pieces of this many bytes. */
export const THICK_PIECE_BYTES = 8 * 1024 * 1024;

/** How often a small file that others replace at the same time is read, or the marker written, before that is an error. */
export const RECORD_ATTEMPTS = 8;
