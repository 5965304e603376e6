import { ArrayError, type ArrayErrorCode } from '../../errors/index.ts';

const CODES: Readonly<Record<string, ArrayErrorCode>> = {
  ENOENT: 'NOT_FOUND',
  ENOTDIR: 'NOT_FOUND',
  EEXIST: 'ALREADY_EXISTS_DIFFERENT',
  ENOSPC: 'NO_SPACE',
  EDQUOT: 'QUOTA',
  EFBIG: 'OUT_OF_RANGE',
  EACCES: 'PERMISSION_DENIED',
  EPERM: 'PERMISSION_DENIED',
  EROFS: 'PERMISSION_DENIED',
  EMFILE: 'BUSY',
  ENFILE: 'BUSY',
  EBUSY: 'BUSY',
  ENOMEM: 'BUSY',
  ESTALE: 'UNREACHABLE',
  ETIMEDOUT: 'TIMEOUT',
};

/** What a system call failed with, in the words of the port; an ArrayError passes unchanged. */
export function arrayErrorOf(error: unknown, what: string): ArrayError {
  if (error instanceof ArrayError) return error;
  const { code = '', message } =
    error instanceof Error ? (error as NodeJS.ErrnoException) : { message: String(error) };
  return new ArrayError(CODES[code] ?? 'BACKEND_BUG', `${what}: ${message}`, {
    nativeCode: code,
    nativeMessage: message,
    cause: error,
  });
}

/** Runs a call on files; what it fails with is an ArrayError. */
export async function onFiles<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw arrayErrorOf(error, what);
  }
}
