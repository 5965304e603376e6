/** Finds out whether the server has lost what it said it had written, and writes that again. Runs in recovery: alone. */
import { forEachOf } from '../../../base/index.ts';
import { PARTS_AT_ONCE, STATE_ATTEMPTS } from '../limits.ts';
import { NFS_STATUS, NfsError } from '../share/nfs-error.ts';
import { UNSTABLE } from '../wire/data.ts';
import { type CallFile, CommitCall, type DataCall, WriteCall } from './data-call.ts';
import type { LostPiece, Uncommitted } from './uncommitted.ts';

interface RewrittenFile extends CallFile {
  readonly writeMost: number;
}

/**
 * @param send calls that are not repeated: they fail with the connection
 * @throws NfsError: the data cannot be written again; RpcFailure
 */
export async function rewriteLost(
  file: RewrittenFile,
  kept: Uncommitted,
  send: (call: DataCall) => void,
): Promise<void> {
  for (let attempt = 0; attempt < STATE_ATTEMPTS; attempt += 1) {
    const commit = await new Promise<CommitCall>((resolve, reject) => {
      const call: CommitCall = new CommitCall(file, 0, 0, () => resolve(call), reject, false);
      send(call);
    });
    if (kept.committed(kept.sequence, commit.verifierHigh, commit.verifierLow)) return;
    await rewrite(file, kept, { high: commit.verifierHigh, low: commit.verifierLow }, send);
  }
  throw new NfsError(NFS_STATUS.IO, 'writing again what the server forgot');
}

interface Verifier {
  readonly high: number;
  readonly low: number;
}

/**
 * What was done is remembered from time to time, so that a connection that breaks again and again does not make all
 * of it begin anew.
 * @param now the server's verifier, as far as it is known
 */
async function rewrite(
  file: RewrittenFile,
  kept: Uncommitted,
  now: Verifier,
  send: (call: DataCall) => void,
): Promise<void> {
  const pieces = [...parts(kept.lostPieces(), file.writeMost)];
  let verifier = now;
  for (let at = 0; at < pieces.length; at += PARTS_AT_ONCE) {
    const seen: Verifier[] = [];
    await forEachOf(pieces.slice(at, at + PARTS_AT_ONCE), PARTS_AT_ONCE, async (piece) => {
      seen.push(...(await writePiece(file, piece, send)));
    });
    verifier = seen[0] ?? verifier;
    const { high, low } = verifier;
    // It restarted again in the middle: the next COMMIT tells what is lost now.
    if (seen.some((other) => other.high !== high || other.low !== low)) return;
    const next = pieces[at + PARTS_AT_ONCE];
    if (next !== undefined) kept.rewritten(next.write.sequence, high, low);
  }
  kept.rewritten(Number.POSITIVE_INFINITY, verifier.high, verifier.low);
}

/** @returns the verifiers of the answers: a server may take less than it is given */
async function writePiece(
  file: RewrittenFile,
  piece: LostPiece,
  send: (call: DataCall) => void,
): Promise<Verifier[]> {
  const seen: Verifier[] = [];
  for (let { start } = piece; start < piece.end; ) {
    const call = await writeAgain(file, { ...piece, start }, send);
    if (call.written === 0) throw new NfsError(NFS_STATUS.IO, 'WRITE of nothing');
    start += call.written;
    seen.push({ high: call.verifierHigh, low: call.verifierLow });
  }
  return seen;
}

function writeAgain(
  file: RewrittenFile,
  { write, start, end }: LostPiece,
  send: (call: DataCall) => void,
): Promise<WriteCall> {
  const data = write.data.subarray(start - write.offset, end - write.offset);
  return new Promise((resolve, reject) => {
    const settle = (): void => resolve(call);
    const call = new WriteCall(file, data, undefined, start, UNSTABLE, settle, reject, false);
    send(call);
  });
}

function* parts(pieces: readonly LostPiece[], most: number): Generator<LostPiece> {
  for (const { write, start, end } of pieces) {
    for (let at = start; at < end; at += most) {
      yield { write, start: at, end: Math.min(end, at + most) };
    }
  }
}
