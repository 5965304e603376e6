import type { RunningTarget } from './target.ts';

/** Starts the server before an origin that runs already; ends both, the server first. */
export async function startBefore<Origin extends { readonly pid: number; stop(): Promise<void> }>(
  origin: Origin,
  start: (origin: Origin) => Promise<RunningTarget>,
): Promise<RunningTarget> {
  try {
    const running = await start(origin);
    return {
      pid: running.pid,
      originPids: [...(running.originPids ?? []), origin.pid],
      uri: (machine) => running.uri(machine),
      stop: async () => {
        await running.stop();
        await origin.stop();
      },
    };
  } catch (error) {
    await origin.stop();
    throw error;
  }
}
