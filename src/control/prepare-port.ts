/** THE PORT for images that are prepared on their way in: the service changes a copy (src/service/prepare). */

export interface PrepareRequest {
  /** On the machine the service runs on. It stays as it is. */
  readonly path: string;
  /** undefined: looked up from the content. */
  readonly format: string | undefined;
  /** How it is called when something is said of it. */
  readonly name: string;
  /** Install packages that it lacks. */
  readonly install: boolean;
}

export interface PreparedImage {
  readonly path: string;
  readonly format: string;
  /** What was changed, and what else is to be known, in words for a person. */
  readonly changed: readonly string[];
  readonly notes: readonly string[];
  /** To be called when it is not needed any more. */
  readonly remove: () => Promise<void>;
}

export interface ImagePreparer {
  /** @throws Fault PERMISSION_DENIED, TOOL_MISSING, UNAVAILABLE: this server cannot do it, whatever the image */
  check(): void;
  /**
   * Nothing is left behind when it fails or is cancelled.
   * @param report up to 100 percent
   * @throws Fault as `check`, as ImageStore.importImage, IMAGE_UNSUPPORTED (with the reason), CANCELLED
   */
  prepare(
    request: PrepareRequest,
    report: (percent: number, message: string) => void,
    signal: AbortSignal,
  ): Promise<PreparedImage>;
}
