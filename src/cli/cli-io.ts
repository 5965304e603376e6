/** What a command line has around it; tests give their own. */
export interface CliIo {
  /** Results. With --json, one JSON document and nothing else. */
  stdout(text: string): void;
  /** Progress and errors. */
  stderr(text: string): void;
  /** Where a progress bar can be drawn; undefined when stderr is not a terminal. */
  readonly terminal: NodeJS.WritableStream | undefined;
  /** All of standard input, as text. */
  stdin(): Promise<string>;
  /** … and as bytes, as they come. @param signal ends it: nobody wants the rest */
  stdinBytes(signal: AbortSignal): AsyncIterable<Buffer>;
  /** Results that are no text; settles when more may follow. @throws Error when nobody reads them */
  writeBytes(bytes: Buffer): Promise<void>;
  /** Asks for something that must not be seen; undefined: there is nobody to ask (no terminal). */
  readonly askSecret: ((prompt: string) => Promise<string>) | undefined;
  /** Who runs it, for the audit, e.g. `root@host`. */
  readonly user: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Calls `handler` at each Ctrl-C or SIGTERM instead of ending the program. @returns how to stop that */
  onInterrupt(handler: () => void): () => void;
  sleep(ms: number): Promise<void>;
  readonly fetch: typeof globalThis.fetch;
  /** Of this program, for --version. */
  readonly version: string;
}
