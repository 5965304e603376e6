/** What `rbd` and `ceph` say when they fail. Their exit code is an errno (of Linux). */
import type { ProgramEnd } from '../../base/index.ts';
import { ArrayError, type ArrayErrorCode } from '../../errors/index.ts';
import { NATIVE_MESSAGE_CHARACTERS } from './limits.ts';

const CODES: ReadonlyMap<number, ArrayErrorCode> = new Map([
  [1, 'PERMISSION_DENIED'], // EPERM
  [2, 'NOT_FOUND'], // ENOENT
  [5, 'BACKEND_BUG'], // EIO
  [11, 'BUSY'], // EAGAIN
  [12, 'BACKEND_BUG'], // ENOMEM
  [13, 'PERMISSION_DENIED'], // EACCES
  [16, 'IN_USE'], // EBUSY: watchers, a protected snapshot
  [17, 'ALREADY_EXISTS_DIFFERENT'], // EEXIST
  [22, 'INVALID_ARGUMENT'], // EINVAL
  [27, 'OUT_OF_RANGE'], // EFBIG
  [28, 'NO_SPACE'], // ENOSPC
  [30, 'FROZEN'], // EROFS: the replica of a mirrored image
  [34, 'OUT_OF_RANGE'], // ERANGE
  [36, 'INVALID_ARGUMENT'], // ENAMETOOLONG
  [38, 'UNSUPPORTED'], // ENOSYS
  [39, 'HAS_DEPENDENTS'], // ENOTEMPTY: an image with snapshots
  [75, 'OUT_OF_RANGE'], // EOVERFLOW
  [95, 'UNSUPPORTED'], // EOPNOTSUPP
  [107, 'UNREACHABLE'], // ENOTCONN
  [108, 'FENCED'], // ESHUTDOWN: this client is on the blocklist
  [110, 'TIMEOUT'], // ETIMEDOUT
  [111, 'UNREACHABLE'], // ECONNREFUSED
  [113, 'UNREACHABLE'], // EHOSTUNREACH
  [122, 'QUOTA'], // EDQUOT
  [125, 'CANCELLED'], // ECANCELED
]);

/** Of any exit code: what is in no table is a bug, ours or theirs. */
export function codeOfExit(exit: number): ArrayErrorCode {
  return CODES.get(exit) ?? 'BACKEND_BUG';
}

/** It never got as far as asking for anything. */
const NOT_CONNECTED = /couldn't connect to the cluster|error connecting to the cluster/;

/** What a monitor that nobody answers for looks like: exit 110, or 1 from `ceph`. */
const NO_ANSWER = /timed out/i;

/**
 * @param what for people: "create image x"
 * @param mutating a call that was killed may have happened
 */
export function errorOfEnd(end: ProgramEnd, what: string, mutating: boolean): ArrayError {
  if (end.outcome === 'missing') {
    const message = `cannot ${what}: the programs rbd and ceph are needed (Debian package ceph-common)`;
    return new ArrayError('TOOL_MISSING', message, { cause: end.error });
  }
  const nativeMessage = wordsOf(end.stderr);
  if (end.outcome === 'killed') {
    const code = mutating ? 'UNKNOWN_OUTCOME' : end.why === 'aborted' ? 'CANCELLED' : 'TIMEOUT';
    return new ArrayError(code, `cannot ${what}: the call was ended (${end.why})`, {
      nativeMessage,
    });
  }
  const details = { nativeCode: end.code, nativeMessage };
  if (NOT_CONNECTED.test(end.stderr)) {
    const refused = end.code === 13 || end.code === 1 || end.code === 2;
    const code = refused && !NO_ANSWER.test(end.stderr) ? 'AUTH_FAILED' : 'UNREACHABLE';
    return new ArrayError(code, `cannot ${what}: ${nativeMessage}`, details);
  }
  const code = codeOfExit(end.code);
  const lost = mutating && code === 'TIMEOUT';
  return new ArrayError(
    lost ? 'UNKNOWN_OUTCOME' : code,
    `cannot ${what}: ${nativeMessage}`,
    details,
  );
}

/** Progress and the log's time stamps are not worth keeping. */
function wordsOf(stderr: string): string {
  const lines = stderr
    .split(/[\r\n]+/)
    .map((line) => line.replace(/^\d{4}-\d\d-\d\dT\S+ \S+ +-?\d+ /, '').trim())
    .filter((line) => line !== '' && !/\d+% complete\.\.\.$/.test(line));
  return lines.join('; ').slice(-NATIVE_MESSAGE_CHARACTERS);
}
