/** How a command ends when it does not succeed; the message is for people. */
export const EXIT_OK = 0;
export const EXIT_REFUSED = 1;
export const EXIT_USAGE = 2;
export const EXIT_UNREACHABLE = 3;

export type FailureExit = typeof EXIT_REFUSED | typeof EXIT_USAGE | typeof EXIT_UNREACHABLE;

export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: FailureExit;

  constructor(exitCode: FailureExit, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
