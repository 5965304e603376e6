/** Limits of XenAPI sessions and logins (docs/LIMITS.md). Times are milliseconds. The first three are xapi's (xapi_globs.ml). */

/** A session that nobody uses for so long ends. */
export const SESSION_UNUSED_MS = 24 * 3_600_000;
/** Sessions of a user for each originator (and as many without one); the one unused for longest makes room. */
export const MAX_SESSIONS_PER_ORIGINATOR = 500;
/** A login that fails is answered so late. */
export const FAILED_LOGIN_DELAY_MS = 5_000;
/** Sessions of a user, whatever their originators: those are for the client to invent. */
export const MAX_SESSIONS_PER_USER = 2_000;
/** Characters of an originator. */
export const MAX_ORIGINATOR_LENGTH = 256;
/** Characters in all keys and values of a session's `other_config`. */
export const MAX_SESSION_CONFIG_LENGTH = 16_384;
/** Logins that are being checked or are answered late: of one name from one address; beyond it they are refused at once. */
export const MAX_LOGINS_PER_NAME = 16;
/** The same of one address, whatever the names. */
export const MAX_LOGINS_PER_ADDRESS = 64;
/** The same of all. */
export const MAX_LOGINS_AT_ONCE = 256;
/** Characters of a user's name that a login is looked at with; nobody has a longer one. */
export const MAX_LOGIN_NAME_LENGTH = 256;
/** Addresses and names whose failed logins are counted; the one unseen for longest is forgotten. */
export const MAX_FAILED_LOGINS_COUNTED = 1_024;
/** Of failed logins one event is kept in so long at most: else who tries passwords could push the others out. */
export const FAILED_LOGIN_TOLD_EVERY_MS = 10_000;
