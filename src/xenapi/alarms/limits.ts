/** Messages that are kept; the oldest go first. */
export const MAX_XEN_MESSAGES = 1000;

/** Characters of the name and of the body of a message, each. */
export const MAX_XEN_MESSAGE_TEXT = 16 * 1024;
