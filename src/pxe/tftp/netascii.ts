/** NVT ASCII line ends of mode `netascii` (RFC 1350 §1, RFC 764): LF → CR LF, CR → CR NUL. */
export function toNetascii(content: Buffer): Buffer {
  const text = content
    .toString('latin1')
    .replaceAll(/[\r\n]/g, (end) => (end === '\n' ? '\r\n' : '\r\0'));
  return Buffer.from(text, 'latin1');
}
