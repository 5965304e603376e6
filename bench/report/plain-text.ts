/**
 * Names and versions come from other programs or from a file: a control character among them could
 * rewrite a terminal, break a table, or make a document malformed.
 */

/** The text on one line, its control characters replaced by a visible sign. */
export function plainText(text: string): string {
  return text
    .replaceAll(/[\r\n\t]+/g, ' ')
    .replaceAll(/[\p{Cc}\p{Cs}\p{Bidi_Control}\uFFFE\uFFFF]/gu, '�');
}
