/**
 * The device identification page of a SCSI disk (SPC-4, 7.8.6 "Device Identification VPD page", page code 83h), and the
 * one spelling that we use for what names a disk for good, whoever spells it.
 */
const PAGE_CODE = 0x83;
const ASSOCIATION_UNIT = 0;

/** As SPC-4 table 459 numbers them. */
const T10 = 1;
const EUI64 = 2;
const NAA = 3;
/** SPC-5: UUID. */
const UUID = 10;

/**
 * The best name that the page has for the logical unit: NAA, then EUI-64, then UUID, then T10.
 * @param page any bytes
 * @returns e.g. `naa.600140…`; undefined: none, or no such page
 */
export function wwidOfPage(page: Uint8Array): string | undefined {
  const bytes = Buffer.from(page.buffer, page.byteOffset, page.byteLength);
  if (bytes.length < 4 || bytes[1] !== PAGE_CODE) return undefined;
  const end = Math.min(bytes.length, 4 + bytes.readUInt16BE(2));
  const found = new Map<number, string>();
  for (let at = 4; at + 4 <= end; ) {
    const length = bytes[at + 3] ?? 0;
    const next = at + 4 + length;
    if (next > end) break;
    const flags = bytes[at + 1] ?? 0;
    const kind = flags & 0x0f;
    const name = nameOf(kind, bytes.subarray(at + 4, next));
    const isUnit = ((flags >> 4) & 0x03) === ASSOCIATION_UNIT;
    if (isUnit && name !== undefined && isBetter(kind, name, found.get(kind))) {
      found.set(kind, name);
    }
    at = next;
  }
  return found.get(NAA) ?? found.get(EUI64) ?? found.get(UUID) ?? found.get(T10);
}

function nameOf(kind: number, designator: Buffer): string | undefined {
  switch (kind) {
    case NAA:
      return designator.length === 8 || designator.length === 16
        ? `naa.${designator.toString('hex')}`
        : undefined;
    case EUI64:
      return [8, 12, 16].includes(designator.length)
        ? `eui.${designator.toString('hex')}`
        : undefined;
    case UUID:
      return designator.length === 18 ? `uuid.${designator.toString('hex', 2)}` : undefined;
    case T10: {
      const text = designator.toString('latin1').replace(/[^\x21-\x7e]+/g, '_');
      return text === '' ? undefined : `t10.${text}`;
    }
    default:
      return undefined;
  }
}

/** A longer NAA name (type 6) says more than a short one; else the first counts. */
function isBetter(kind: number, name: string, before: string | undefined): boolean {
  return before === undefined || (kind === NAA && name.length > before.length);
}

/**
 * What names a disk, in our spelling: `naa.…`, `eui.…`, `uuid.…`, `t10.…` or as it is. Understands scsi_id (`3600…`:
 * a digit for the kind, then the name), multipath (`mpath-3600…`), udev (`wwn-0x600…`, `scsi-3600…`) and /sys.
 */
export function canonicalWwid(text: string): string {
  const plain = text.trim().replace(/^(mpath-|scsi-|dm-uuid-mpath-)/, '');
  const lower = plain.toLowerCase();
  const wwn = /^(?:wwn-)?0x([0-9a-f]{16}|[0-9a-f]{32})$/.exec(lower);
  if (wwn !== null) return `naa.${wwn[1]}`;
  const scsiId = /^([23])([0-9a-f]{16}|[0-9a-f]{24}|[0-9a-f]{32})$/.exec(lower);
  if (scsiId !== null) return `${scsiId[1] === '3' ? 'naa' : 'eui'}.${scsiId[2]}`;
  if (/^(naa|eui|uuid)\./.test(lower)) return lower;
  return plain.replace(/[^\x21-\x7e]+/g, '_');
}
