/** What commands do that bring or take a stream: progress, Ctrl-C, standard input and output, files. */
import { resolve } from 'node:path';
import type { WrittenFile } from './answers.ts';
import { withProgress } from './byte-progress.ts';
import { CliError, EXIT_REFUSED } from './cli-error.ts';
import { bytes } from './format.ts';
import { fileToSend, refuseTaken, writeWhole } from './local-file.ts';
import type { Session } from './session.ts';
import type { Download, Upload } from './stream-client.ts';

/** Standard input or output, in the place of a path. */
export const STANDARD = '-';

/** Runs work that Ctrl-C ends. */
export async function interruptible<T>(
  session: Session,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const stopListening = session.io.onInterrupt(() => abort.abort());
  try {
    return await work(abort.signal);
  } finally {
    stopListening();
  }
}

/**
 * Takes a stream into a file, or to standard output.
 * @param download begins it; not called where the file is in the way
 * @throws CliError
 */
export async function take(
  session: Session,
  place: { readonly path: string; readonly overwrite: boolean },
  title: string,
  download: (signal: AbortSignal) => Promise<Download>,
): Promise<void> {
  const { io } = session;
  const { path, overwrite } = place;
  await interruptible(session, async (signal) => {
    if (path === STANDARD) {
      const { pieces, length } = await download(signal);
      for await (const piece of withProgress(session, pieces, length, title)) {
        await io.writeBytes(piece).catch((error: unknown) => {
          const { message } = error as Error;
          throw new CliError(EXIT_REFUSED, `standard output: ${message}`, { cause: error });
        });
      }
      return;
    }
    await refuseTaken(resolve(io.cwd, path), overwrite);
    const { pieces, length } = await download(signal);
    const told = withProgress(session, pieces, length, title);
    const written = await writeWhole({ path, cwd: io.cwd, overwrite }, told);
    session.show(written, writtenText);
  });
}

export function writtenText({ path, length }: WrittenFile): string {
  return `${path}: ${bytes(length)}\n`;
}

/** Brings a file, or standard input. @returns what the server answers @throws CliError */
export async function bring<T>(
  session: Session,
  path: string,
  title: string,
  to: string,
): Promise<T> {
  const { io } = session;
  const done = new AbortController();
  const upload: Upload =
    path === STANDARD
      ? { pieces: io.stdinBytes(done.signal), length: undefined }
      : await fileToSend(path, io.cwd);
  const pieces = withProgress(session, upload.pieces, upload.length, title);
  try {
    return await interruptible(session, (signal) =>
      session.streams.upload<T>(to, { pieces, length: upload.length }, signal),
    );
  } finally {
    done.abort();
  }
}

/** `?a=1&b=2`, without what is not given. */
export function query(values: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as [string, string]],
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}
