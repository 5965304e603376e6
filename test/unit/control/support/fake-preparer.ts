import type {
  ImagePreparer,
  PreparedImage,
  PrepareRequest,
} from '../../../../src/control/index.ts';

/** Prepares by saying so, once the test lets it. */
export class FakePreparer implements ImagePreparer {
  /** Of this server. */
  refusal: Error | undefined;
  /** Of the image. */
  failure: Error | undefined;
  readonly asked: PrepareRequest[] = [];
  /** Copies that were not removed. */
  readonly kept = new Set<string>();
  until: Promise<void> = Promise.resolve();

  check(): void {
    if (this.refusal !== undefined) throw this.refusal;
  }

  async prepare(
    request: PrepareRequest,
    report: (percent: number, message: string) => void,
    signal: AbortSignal,
  ): Promise<PreparedImage> {
    this.asked.push(request);
    report(50, 'preparing: half');
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
    await Promise.race([this.until, aborted]);
    if (this.failure !== undefined) throw this.failure;
    const path = `/uploads/prepared-${this.asked.length}`;
    this.kept.add(path);
    return {
      ...{ path, format: 'raw', changed: ['/etc/hostname removed'], notes: ['a note'] },
      remove: async () => {
        this.kept.delete(path);
      },
    };
  }
}
