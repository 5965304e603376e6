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
    const verifier = await rewrite(file, kept.lostPieces(), send);
    // Different ones: it restarted again in the middle. Then none is believed, and all is written once more.
    if (verifier === 'none') kept.rewritten(commit.verifierHigh, commit.verifierLow);
    else if (verifier !== 'mixed') kept.rewritten(verifier.high, verifier.low);
  }
  throw new NfsError(NFS_STATUS.IO, 'writing again what the server forgot');
}

interface Verifier {
  readonly high: number;
  readonly low: number;
}

async function rewrite(
  file: RewrittenFile,
  pieces: readonly LostPiece[],
  send: (call: DataCall) => void,
): Promise<Verifier | 'mixed' | 'none'> {
  let first: Verifier | undefined;
  let mixed = false;
  await forEachOf(parts(pieces, file.writeMost), PARTS_AT_ONCE, async (piece) => {
    for (let { start } = piece; start < piece.end; ) {
      const call = await writeAgain(file, { ...piece, start }, send);
      if (call.written === 0) throw new NfsError(NFS_STATUS.IO, 'WRITE of nothing');
      start += call.written;
      first ??= { high: call.verifierHigh, low: call.verifierLow };
      if (first.high !== call.verifierHigh || first.low !== call.verifierLow) mixed = true;
    }
  });
  return mixed ? 'mixed' : (first ?? 'none');
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
