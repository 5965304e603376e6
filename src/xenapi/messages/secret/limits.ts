/** Objects of class secret that clients have made. */
export const MAX_SECRETS = 1_000;

/** Characters of the value of one: as of a secret setting of a repository. */
export const MAX_SECRET_VALUE_LENGTH = 4_096;
