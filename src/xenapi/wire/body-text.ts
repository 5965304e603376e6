/** The text of a body. */

const STRICT = new TextDecoder('utf-8', { fatal: true });
const LENIENT = new TextDecoder('utf-8');

/** Stands for bytes that are no text: alone it is no character, so whoever checks the value refuses it. */
const NO_CHARACTER = '\udcff';

const LATIN_1 = /^<\?xml[^>]*\sencoding\s*=\s*["'](?:iso-8859-1|latin-?1)["']/i;
const DECLARATION_BYTES = 100;

/**
 * Bytes that are not UTF-8 do not spoil the whole call: the value they are in is not well-formed
 * (`String.isWellFormed`), and reading it by its type says so (INVALID_VALUE, as gen_server.ml).
 */
export function textOfBody(bytes: Uint8Array): string {
  try {
    return STRICT.decode(bytes);
  } catch {
    return LENIENT.decode(bytes).replaceAll('\ufffd', NO_CHARACTER);
  }
}

/** As the document declares itself: PHP's clients say ISO-8859-1. Other encodings are read as UTF-8. */
export function textOfXmlBody(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const declaration = text.toString('latin1', 0, DECLARATION_BYTES);
  return LATIN_1.test(declaration) ? text.toString('latin1') : textOfBody(bytes);
}
