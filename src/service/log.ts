import { type DestinationStream, destination, type Logger, pino } from 'pino';

export type Log = Logger;

/**
 * JSON lines on standard error: standard output belongs to `ready` and to the CLI. Synchronous, so
 * that the last line before a crash is not lost; a busy path logs nothing at level info.
 */
export function createLog(level: string, name: string, stream?: DestinationStream): Log {
  return pino({ level, name }, stream ?? destination({ dest: 2, sync: true }));
}
