/** Ethernet addresses as text: lower case with colons, everywhere inside. */

const FORMS = [
  /^[0-9a-f]{12}$/,
  /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/,
  /^[0-9a-f]{2}(-[0-9a-f]{2}){5}$/,
];

/** Accepts `525400123456`, `52:54:00:12:34:56` and `52-54-00-12-34-56` in either case. */
export function parseMac(text: string): string | undefined {
  const lower = text.toLowerCase();
  if (!FORMS.some((form) => form.test(lower))) return undefined;
  const digits = lower.replaceAll(/[:-]/g, '');
  return macFromBytes(Buffer.from(digits, 'hex'));
}

export function macFromBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** As it stands in URLs and in BOOTIF=: `52-54-00-12-34-56`. */
export function hyphenated(mac: string): string {
  return mac.replaceAll(':', '-');
}
