/** Every limit of the control plane (docs/LIMITS.md). Sizes are in bytes, times in milliseconds. */

/** Names become NBD export names, kernel arguments and file names; 63 as a DNS label. */
export const MAX_NAME_LENGTH = 63;
export const MAX_DESCRIPTION_LENGTH = 500;
export const MAX_PATH_LENGTH = 4096;
/** Linux on x86 keeps 2048 bytes of command line; the boot script adds its own part. */
export const MAX_KERNEL_ARGUMENTS_LENGTH = 1024;
export const MAX_ARCH_LENGTH = 32;
/** Longest spelling of a SIZE that is looked at. */
export const MAX_SIZE_TEXT_LENGTH = 24;
/** One block of an overlay; below that not a single write would fit. */
export const MIN_QUOTA_BYTES = 4096;
export const MAX_QUOTA_BYTES = 2 ** 50;

export const MAX_MACHINES = 10_000;
/** Machines that one request changes, all or none: one transaction on the control thread. */
export const MAX_MACHINES_PER_UPDATE = 1_000;
export const MAX_COLLECTIONS = 1_000;
/** Names and values of a machine's personality data with its collection's, in UTF-8. */
export const MAX_PERSONALITY_BYTES = 65_536;
/** Characters of one name of personality data. */
export const MAX_PERSONALITY_NAME_LENGTH = 64;
export const MAX_VDISKS = 1_000;
/** Sealed or in maintenance; beyond it old ones must be deleted. */
export const MAX_VERSIONS_PER_VDISK = 1_000;
/** Unknown machines remembered; beyond it the one unseen for longest is forgotten. */
export const MAX_ENROLMENTS = 4096;
/** Firmware repeats its packets many times a second; the catalog notes one of them in so long. */
export const ENROLMENT_SEEN_MS = 1_000;
/** Unknown machines enrolled in so long, at most: each costs a write to disk on the control thread. */
export const ENROLMENT_WINDOW_MS = 1_000;
export const MAX_ENROLMENTS_PER_WINDOW = 100;
/** Hitting a limit of enrolment is told once in so long, however many packets hit it. */
export const ENROLMENT_LIMIT_TOLD_MS = 60_000;
/** After a start, machines that were running are given so long to reconnect. */
export const RECONNECT_GRACE_MS = 5 * 60_000;
/** A machine in maintenance that is not heard of for so long may be succeeded by another. */
export const DEFAULT_MAINTENANCE_LEASE_MS = 60_000;
/** Layers of a version beyond which they are merged by themselves. */
export const DEFAULT_CONSOLIDATE_BEYOND = 16;
/** The connection of a machine that is gone ends so long after it: TCP keep-alive, src/nbd/limits.ts. */
export const WRITER_LOST_MS = 30_000;
/** How often layers are looked for on which nothing stands. */
export const COLLECT_EVERY_MS = 10_000;
/** Versions that a bundle is asked for by number. */
export const MAX_BUNDLE_VERSIONS = 1_000;
/** Content ids that a receiver says it has. */
export const MAX_CONTENT_IDS = 10_000;
/** Characters of the URL of another server, and of its token. */
export const MAX_URL_LENGTH = 1_024;
export const MAX_TOKEN_LENGTH = 4_096;
/** A layer that the scrub could not look at is tried again after so long. */
export const SCRUB_RETRY_MS = 3_600_000;
export const MAX_RUNNING_TASKS = 8;
/** Damaged chunks that a verification tells one by one; the others are counted. */
export const MAX_DAMAGE_TOLD = 100;
/** Finished tasks kept for `task list`. */
export const MAX_FINISHED_TASKS = 1000;
export const MAX_EVENTS = 100_000;
export const MAX_EVENTS_PER_PAGE = 1000;
export const DEFAULT_EVENTS_PER_PAGE = 100;
export const MAX_BOOTS_PER_MACHINE = 20;
/** Days whose spelling is remembered for answers: some years of them. */
export const MAX_DAYS_SPELT = 4_096;

/** A boot is over when the guest has asked for no block for so long: longer than what an initramfs does between. */
export const BOOT_QUIET_MS = 15_000;
/** A boot that was requested and never read a block is given up after so long. */
export const BOOT_ABANDONED_MS = 10 * 60_000;

/**
 * So long after a boot seemed over (quiet, or disconnected) the machine is still told who it is: it may be one that was cut
 * off in its initramfs, or had much else to do there.
 */
export const IDENTITY_AFTER_END_MS = 10 * 60_000;

/** Of what a machine says of its write cache, one in so long is kept, unless it has got worse. */
export const CACHE_REPORT_EVERY_MS = 1_000;

export const MAX_REPOSITORIES = 100;
export const MAX_VOLUMES_PER_REPOSITORY = 10_000;
export const MAX_SNAPSHOTS_PER_VOLUME = 10_000;
export const MAX_HOSTS = 1_000;
/** Initiator names of a host, and its addresses. */
export const MAX_HOST_PORTS = 16;
export const MAX_VOLUME_GROUPS = 1_000;
/** Volumes of which one call takes snapshots of one moment. */
export const MAX_VOLUMES_AT_ONCE = 64;
export const MAX_SNAPSHOT_SCHEDULES = 1_000;
/** Of volumes and of snapshots. */
export const MAX_ITEMS_PER_PAGE = 1_000;
export const DEFAULT_ITEMS_PER_PAGE = 100;
/** Ranges of a difference between snapshots. */
export const MAX_RANGES_PER_PAGE = 4_096;
export const DEFAULT_RANGES_PER_PAGE = 1_000;
/** Bytes of a volume. */
export const MAX_VOLUME_BYTES = 2 ** 50;
/** Settings of a repository, items of one that is a list, and characters of one value. */
export const MAX_SETTINGS = 64;
export const MAX_SETTING_ITEMS = 64;
export const MAX_SETTING_LENGTH = 1_024;
/** Characters of a password, a key or a token. */
export const MAX_SECRET_LENGTH = 4_096;
/** Characters that an array's own name of a volume may have. */
export const MAX_NATIVE_ID_LENGTH = 512;

/** Percent of a repository's space in use from which on it is told, unless it is set. */
export const DEFAULT_WARNING_PERCENT = 80;
export const DEFAULT_CRITICAL_PERCENT = 90;
/** Percent by which it must be below a mark before it is told that it is. */
export const SPACE_HYSTERESIS_PERCENT = 3;
/** How often repositories are asked for their space. */
export const SPACE_EVERY_MS = 60_000;
/** A repository that cannot be attached is tried again after so long, twice as long each time, up to the second. */
export const ATTACH_RETRY_FIRST_MS = 5_000;
export const ATTACH_RETRY_LONGEST_MS = 300_000;

export const MAX_HOOKS = 1_000;
/** Words of a hook's command, and characters of one. */
export const MAX_HOOK_ARGUMENTS = 64;
export const MAX_HOOK_ARGUMENT_LENGTH = 1_024;
export const DEFAULT_HOOK_TIMEOUT_MS = 30_000;
export const MIN_HOOK_TIMEOUT_MS = 1_000;
export const MAX_HOOK_TIMEOUT_MS = 3_600_000;
/** Characters of what a hook said that its event keeps; the task has all that is kept. */
export const MAX_HOOK_EVENT_OUTPUT = 500;

/** Characters before the time in the names of a schedule's snapshots. */
export const MAX_PREFIX_LENGTH = 32;
/** The shortest interval between two runs of a schedule. */
export const MIN_SCHEDULE_INTERVAL_MS = 60_000;
export const MAX_SCHEDULE_INTERVAL_MS = 366 * 86_400_000;
/** Characters of `at`, as cron has it. */
export const MAX_CRON_LENGTH = 100;
/** The days ahead in which a schedule must be due once: a 29th of February that is eight years away. */
export const MAX_CRON_DAYS_AHEAD = 8 * 366;
/** Snapshots that a schedule keeps, of each sort. */
export const MAX_KEEP = 10_000;

export const MAX_REPLICATIONS = 1_000;
/** Volumes of one replication: one moment's snapshots of all of them. */
export const MAX_REPLICATION_MEMBERS = 64;
/** The shortest interval between two points, and the shortest age that is alarmed. */
export const MIN_REPLICATION_INTERVAL_MS = 10_000;
export const MAX_REPLICATION_INTERVAL_MS = 366 * 86_400_000;
/** Bytes a second to which a replication may be slowed down at most. */
export const MIN_REPLICATION_RATE = 65_536;
/** Points that stay on each side, unless it is set; at least one always does. */
export const DEFAULT_POINTS_KEPT = 3;
export const MAX_POINTS_KEPT = 1_000;
/** After a run that failed the next one begins after so long, twice as long each time, up to the second. */
export const REPLICATION_RETRY_FIRST_MS = 15_000;
export const REPLICATION_RETRY_LONGEST_MS = 900_000;
/** How often arrays are asked for the state of their own replication. */
export const LINK_EVERY_MS = 30_000;
/** Replications whose arrays or old sources are asked at the same time: one that does not answer holds up few others. */
export const LINKS_AT_ONCE = 4;
/** Runs that begin by themselves are under way at the same time, at most: tasks of people find room. */
export const MAX_REPLICATION_RUNS = 4;

/** How often it is looked which copies of vDisks' layers are missing, or are not wanted any more. */
export const VDISK_REPLICAS_EVERY_MS = 2_000;
/** Copying that has failed begins again by itself after so long. */
export const VDISK_REPLICA_RETRY_MS = 60_000;
/** Copying that begins by itself does so while fewer than so many are under way. */
export const MAX_VDISK_REPLICA_RUNS = 4;

/** A machine that waits to be admitted to boot and does not ask for so long loses its place. */
export const BOOT_PLACE_KEPT_MS = 60_000;
/** Seconds after which one that waits asks again: the first few, and more the further back, up to the last. */
export const BOOT_ASK_FIRST_SECONDS = 2;
export const BOOT_ASK_LONGEST_SECONDS = 15;
/** Places of the queue for each further second. */
export const BOOT_PLACES_PER_SECOND = 50;
/** Machines in one answer about the queue. */
export const MAX_QUEUE_SHOWN = 1_000;
/** The most that a rule allows to boot at once, and the furthest a priority goes from 0. */
export const MAX_BOOTS_AT_ONCE = 10_000;
export const MAX_BOOT_PRIORITY = 1_000;
/** Unknown how a machine came here when its firmware was silent for so long: its DHCP is of another boot. */
export const PRELUDE_GAP_MS = 60_000;
/** Machines and addresses whose DHCP and loaders are remembered until they fetch their script. */
export const MAX_PRELUDES = 16_384;

/** Boots of one content that its trace is made of; then no more are recorded. */
export const MAX_TRACE_BOOTS = 8;
/** Units of one boot, as vdisk/trace/limits.ts has it. */
export const MAX_TRACE_UNITS = 16_384;
/** A boot that read fewer units is no boot. */
export const MIN_TRACE_UNITS = 8;
/** Nothing of a boot is recorded so long after its first block. */
export const TRACE_RECORD_MS = 300_000;
/** Traces that are kept merged in memory. */
export const MAX_MERGED_TRACES = 64;
/** After a start the traces of what machines boot are read ahead as soon as their repositories are there, for so long. */
export const WARM_START_MS = 600_000;
/** Characters of a trace's file in base64: MAX_TRACE_BOOTS of MAX_TRACE_UNITS, each of four bytes. */
export const MAX_TRACE_TEXT = 720_000;

/** Bytes of all fields of one XenAPI object that only XenAPI knows (tags, other_config ...), as JSON. */
export const MAX_XEN_OBJECT_BYTES = 262_144;
export const MAX_XEN_USERS = 1_000;
/** Characters of the password of a XenAPI user. */
export const MIN_XEN_PASSWORD_LENGTH = 8;
export const MAX_XEN_PASSWORD_LENGTH = 256;
/** Cost of hashing a password with scrypt, as a power of 2: 32 MiB and some 100 ms of one core. */
export const PASSWORD_LOG_COST = 15;
/** Passwords that are hashed at once, each in 32 MiB and a thread of libuv's pool of four, which files are read by, too. */
export const MAX_PASSWORDS_HASHED_AT_ONCE = 2;
/** Passwords that wait to be hashed; beyond it they are refused. */
export const MAX_PASSWORDS_WAITING = 64;
/** Of the logins of a user, one in so long is noted. */
export const XEN_LOGIN_NOTED_EVERY_MS = 60_000;
/** Bytes for which one bit says whether something has changed, as XenAPI has it. */
export const CHANGE_BLOCK_BYTES = 65_536;
/** Ranges of one answer, where what has changed in a whole disk is asked for. */
export const CHANGES_PER_ANSWER = 65_536;
/** How often what has changed is looked for anew, when a snapshot that it was told of went in the middle. */
export const MAX_CHANGE_ATTEMPTS = 5;
/** A snapshot whose data is to go, and could not be deleted, is tried again after so long. */
export const CHANGE_LOG_RETRY_MS = 30_000;
