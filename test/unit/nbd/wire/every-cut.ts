import { expect } from 'vitest';

type Decoded = { readonly kind: string; readonly size?: number; readonly bytes?: number };
type Decoder = (source: Buffer, start: number, end: number) => Decoded;

/** Every prefix asks for more, honestly; the whole, at any place in a buffer, gives the message. */
export function decodesAtEveryCut(decode: Decoder, message: Buffer): Decoded {
  for (let cut = 0; cut < message.length; cut += 1) {
    const result = decode(message, 0, cut);
    if (result.kind !== 'need-more') throw new Error(`cut at ${cut}: ${JSON.stringify(result)}`);
    expect(result.bytes).toBeGreaterThan(cut);
    expect(result.bytes).toBeLessThanOrEqual(message.length);
  }
  const framed = Buffer.concat([Buffer.from([1, 2, 3]), message, Buffer.from([4, 5])]);
  const result = decode(framed, 3, framed.length);
  expect(result.size).toBe(message.length);
  expect(decode(message, 0, message.length)).toEqual(result);
  return result;
}
