/**
 * Every errno that the data path may report. A closed union: each wire maps it with a total
 * `Record<Errno, …>` without a default, so that a new member does not compile until it is mapped.
 */
export const ERRNOS = [
  'EPERM',
  'EROFS',
  'EIO',
  'ENOMEM',
  'EINVAL',
  'ENOSPC',
  'EOVERFLOW',
  'ENOTSUP',
  'ESHUTDOWN',
  'ESTALE',
  'ETIMEDOUT',
] as const;

export type Errno = (typeof ERRNOS)[number];

const KNOWN: ReadonlySet<string> = new Set(ERRNOS);

/** Errno names that Node reports and that we fold into a member of the union. */
const FOLDED: Readonly<Record<string, Errno>> = {
  EACCES: 'EPERM',
  EDQUOT: 'ENOSPC',
  EFBIG: 'ENOSPC',
  EOPNOTSUPP: 'ENOTSUP',
};

/** The errno of an error thrown by Node's fs; EIO for one that the data path has no word for. */
export function errnoOf(error: unknown): Errno {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  if (typeof code !== 'string') return 'EIO';
  if (KNOWN.has(code)) return code as Errno;
  return FOLDED[code] ?? 'EIO';
}
