/** Every limit of the PXE servers, with its reason. docs/BOOT.md lists the ones an operator meets. */

/** Largest DHCP datagram looked at: Ethernet's payload; firmware sends 548 or less. */
export const MAX_DHCP_PACKET_BYTES = 1500;
/** Smallest reply: BOOTP's 300 bytes, which some old clients and relays insist on (RFC 1542 §2.1). */
export const MIN_DHCP_REPLY_BYTES = 300;
/** What every client takes when it does not say more (RFC 2131 §2). Ours never need more. */
export const MAX_DHCP_REPLY_BYTES = 576;
/** Values of one option, its pieces joined (RFC 3396). */
export const MAX_DHCP_OPTION_BYTES = 1024;
/** DHCP packets waiting for the catalog; more are dropped, and firmware repeats itself. */
export const MAX_DHCP_PACKETS_IN_FLIGHT = 256;
/** Dropped packets are reported once per reason in this many milliseconds. */
export const DROP_REPORT_INTERVAL_MS = 10_000;

/** Addresses in all ranges together: a /16. */
export const MAX_POOL_ADDRESSES = 65_536;
/** Networks behind relays: a packet is compared with each. */
export const MAX_DHCP_SUBNETS = 256;
/** Seconds a client may take from OFFER to REQUEST before the address is offered to another. */
export const OFFER_HOLD_MS = 60_000;
/** An address that a client found in use is given to nobody for this long. */
export const DECLINE_QUARANTINE_MS = 3_600_000;
export const MIN_LEASE_SECONDS = 60;
/** Options of full mode must leave room for the rest of a 576-byte reply. */
export const MAX_DNS_SERVERS = 8;
export const MAX_DOMAIN_NAME_BYTES = 128;

/** RFC 2348 §2. */
export const MIN_TFTP_BLOCK_BYTES = 8;
export const MAX_TFTP_BLOCK_BYTES = 65_464;
export const DEFAULT_TFTP_BLOCK_BYTES = 512;
/** Blocks in flight (RFC 7440 allows 65535): past this nothing gets faster, only burstier. */
export const MAX_TFTP_WINDOW_BLOCKS = 64;
/** Bytes in flight of one transfer, whatever window and block size were asked for. */
export const MAX_TFTP_WINDOW_BYTES = 512 * 1024;
/** Longest request (read or write): a name, a mode, options. RFC 2347 §4 says 512. */
export const MAX_TFTP_REQUEST_BYTES = 512;
export const MAX_TFTP_OPTIONS = 16;
/** First wait for an acknowledgement, doubled at each try up to the next line. */
export const TFTP_FIRST_TIMEOUT_MS = 1_000;
export const TFTP_LAST_TIMEOUT_MS = 8_000;
/** Times a window is sent again before the transfer is given up. */
export const MAX_TFTP_RETRIES = 6;
export const MAX_TFTP_TRANSFERS = 256;
/** A machine asks for one file at a time; a little room for aborted ones. */
export const MAX_TFTP_TRANSFERS_PER_ADDRESS = 8;
/** Bytes of kernels and initrds in memory for TFTP, each once: a few images of GRUB machines at a time. */
export const MAX_TFTP_HELD_BYTES = 512 * 1024 * 1024;
/** Largest boot loader served from memory. */
export const MAX_LOADER_BYTES = 64 * 1024 * 1024;

/** Connections of the boot HTTP server: a rack booting at once, twice over. */
export const MAX_HTTP_CONNECTIONS = 2_048;
/** Boot requests carry nothing. */
export const MAX_HTTP_BODY_BYTES = 1_024;
/** Characters of why a machine has another write cache than it was to have. */
export const MAX_CACHE_REASON_BYTES = 200;
/** Bytes that a machine may say its write cache has. */
export const MAX_CACHE_BYTES = 2 ** 50;
export const HTTP_REQUEST_TIMEOUT_MS = 30_000;
/** A connection that moves nothing for this long is closed. */
export const HTTP_IDLE_TIMEOUT_MS = 120_000;

/** COMMAND_LINE_SIZE of the x86 kernel is 2048 with its final zero. */
export const MAX_KERNEL_COMMAND_LINE_BYTES = 2_047;
/** One line of the screen; longer messages are cut. */
export const MAX_SCREEN_TEXT = 400;
/** Network cards that a boot medium tries under UEFI: each has lines of its own. iPXE tries all. */
export const MEDIUM_CARDS = 8;
/** Servers that a boot medium tries. */
export const MAX_MEDIUM_SERVERS = 8;
/** Seconds a machine waits before it fetches its script again after an error. */
export const SCRIPT_RETRY_SECONDS = 10;
