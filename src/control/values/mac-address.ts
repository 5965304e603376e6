import { Fault } from '../../errors/index.ts';

const SPELLINGS = [
  /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i, // 52:54:00:12:34:56
  /^[0-9a-f]{2}(?:-[0-9a-f]{2}){5}$/i, // 52-54-00-12-34-56
  /^[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}$/i, // 5254.0012.3456
  /^[0-9a-f]{12}$/i, // 525400123456
];

/** The group bit of the first octet (IEEE 802): no network card sends from such an address. */
const GROUP_BIT = 0x01;

export const MAC_RULE =
  'a network card address such as 52:54:00:12:34:56 (also with - or . or nothing)';

/** Lower-case with colons, from any usual spelling. @throws Fault INVALID_INPUT */
export function parseMac(value: string, field: string): string {
  const hex = SPELLINGS.some((spelling) => spelling.test(value))
    ? value.replace(/[^0-9a-f]/gi, '').toLowerCase()
    : undefined;
  if (hex === undefined || hex === '000000000000') {
    throw new Fault('INVALID_INPUT', `${field} is not a MAC address`, {
      field,
      value,
      expected: MAC_RULE,
    });
  }
  if ((Number.parseInt(hex.slice(0, 2), 16) & GROUP_BIT) !== 0) {
    throw new Fault('INVALID_INPUT', `${field} is a multicast address, which no card has`, {
      field,
      value,
      expected: MAC_RULE,
    });
  }
  return hex.replace(/(..)(?=.)/g, '$1:');
}
