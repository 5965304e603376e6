/** What the iSCSI initiator allows. Each limit has a line in docs/LIMITS.md. Bytes and milliseconds. */

/** From the start of the TCP connection to the end of login. */
export const LOGIN_MS = 15_000;

/** Login requests of one login; a target that needs more is not getting anywhere. */
export const LOGIN_ROUNDS = 32;

/** Text of one login answer, all its continuations together, in bytes. */
export const LOGIN_TEXT_BYTES = 64 * 1024;

/** Times that one login may be sent to another address. */
export const LOGIN_REDIRECTS = 4;

/** Text of one discovery answer, all its continuations together, in bytes. */
export const DISCOVERY_TEXT_BYTES = 4 * 1024 * 1024;

/** Longest challenge or response in CHAP, in bytes (RFC 7143, 12.1.3). */
export const CHAP_BINARY_BYTES = 1024;

/** Length of our own challenges in bytes. */
export const CHAP_CHALLENGE_BYTES = 16;

/** Challenges of ours that are remembered, so that one that is sent back to us is recognised. */
export const CHAP_CHALLENGES_KEPT = 256;

/** Longest data segment that we let a target send, in bytes. */
export const RECEIVE_SEGMENT_BYTES = 256 * 1024;

/** Longest data segment of anything that is not read data (sense, text, ping), in bytes. */
export const RECEIVE_OTHER_BYTES = 64 * 1024;

/** Unsolicited data and data of one R2T that we offer to send, in bytes. */
export const FIRST_BURST_BYTES = 256 * 1024;
export const MAX_BURST_BYTES = 16 * 1024 * 1024 - 512;

/** Commands of one session that wait for their answer; the target's window may allow fewer. */
export const COMMANDS_IN_FLIGHT = 256;

/** Bytes that the socket has not taken yet. Beyond, new commands wait. */
export const UNSENT_BYTES = 8 * 1024 * 1024;

/** Data up to this many bytes is copied behind its header; longer data is sent from where it is. */
export const COPIED_BYTES = 16 * 1024;

/** Headers and copied data are put together in pieces of this many bytes. */
export const SLAB_BYTES = 64 * 1024;

/** What one read of a socket may bring. One buffer of this size serves all sessions of a thread. */
export const READ_BUFFER_BYTES = 256 * 1024;

/** How often a session looks at its commands and its peer, in milliseconds. */
export const TICK_MS = 500;

/** A peer that was silent for this long is asked for a sign of life. */
export const PING_AFTER_MS = 5_000;

/** How long it may take to give one before the connection is dropped. */
export const PING_ANSWER_MS = 5_000;

/** How long a command may take before the target is told to abort it. */
export const COMMAND_MS = 30_000;

/** A command that takes this long may be gone because another session has reset the LUN; as often the LUN is asked. */
export const PROBE_AFTER_MS = 1_000;

/** A LUN that says it was reset has this long to end what it still works on, before that is aborted, in milliseconds. */
export const RESET_SETTLE_MS = 500;

/** Commands that are aborted at the same time because a LUN may have forgotten them: a target need not take many orders at once. */
export const ABORTS_AT_ONCE = 16;

/** How long a task management function or a logout may take before the connection is dropped. */
export const MANAGEMENT_MS = 10_000;

/** First and longest wait before the next attempt to connect, in milliseconds; the very first comes at once. */
export const RECONNECT_FIRST_MS = 100;
export const RECONNECT_LONGEST_MS = 3_000;

/** How long a device waits for a path before its requests fail, unless it was told otherwise. */
export const PATIENCE_MS = 120_000;

/** Wait before a command is sent again that the target was too busy for, in milliseconds. */
export const BUSY_RETRY_MS = 100;

/** How often one command is sent again for reasons that are the target's own (aborted, attention, rejected). */
export const COMMAND_RETRIES = 16;

/** How often one command is sent again because its failure contradicts what is known of the LUN. */
export const COMMAND_DOUBTS = 3;

/** Wait before a path whose LUN is missing, not ready, smaller or another disk is looked at again, in milliseconds. */
export const RECHECK_MS = 1_000;

/** Looks in a row of one path that see another disk at the LUN, before requests fail for it. */
export const OTHER_DISK_LOOKS = 2;

/** Looks in a row at which every path says that the LUN is smaller than it was, before that is believed. */
export const SHRUNK_LOOKS = 10;

/** Unit attentions and not-readies that are taken from a LUN in a row before its path counts as not ready. */
export const ATTENTIONS_IN_A_ROW = 16;

/** Longest read or write in one command, in bytes; longer requests are sent as several. */
export const COMMAND_BYTES = 4 * 1024 * 1024;

/** Commands of one long trim or zero that run at the same time. */
export const PARTS_AT_ONCE = 4;

/** Longest WRITE SAME in bytes of a target that names no limit, and longest UNMAP. */
export const WRITE_SAME_BYTES = 32 * 1024 * 1024;
export const UNMAP_BYTES = 1024 * 1024 * 1024;

/** Largest logical block that we take, in bytes. */
export const BLOCK_BYTES = 64 * 1024;

/** Paths of one LUN. */
export const PATHS = 32;

/** LUNs of one target that a probe looks at. */
export const PROBED_LUNS = 256;
