import { HOOK_OUTPUT_BYTES } from './limits.ts';

/** The beginning of what somebody says: the rest is counted and thrown away, so that nobody waits for us to read. */
export class KeptOutput {
  readonly #pieces: Buffer[] = [];
  #kept = 0;
  #lost = 0;

  add(piece: Uint8Array): void {
    const room = HOOK_OUTPUT_BYTES - this.#kept;
    const part = piece.subarray(0, room);
    if (part.length > 0) this.#pieces.push(Buffer.from(part));
    this.#kept += part.length;
    this.#lost += piece.length - part.length;
  }

  get isFull(): boolean {
    return this.#kept >= HOOK_OUTPUT_BYTES;
  }

  text(): string {
    const kept = Buffer.concat(this.#pieces).toString('utf8').trimEnd();
    return this.#lost === 0 ? kept : `${kept}\n… and ${this.#lost} bytes more`;
  }
}
