/**
 * Which disk it is. WWIDs are written as Linux (scsi_id) and XenServer (SCSIid) write them: the designator's type,
 * then its id; hexadecimal for NAA and EUI-64, text for the others.
 */
import type { Designator, StandardInquiry } from '../wire/index.ts';

const EUI_64 = 2;
const NAA = 3;
const SCSI_NAME = 8;

/** Best first, as scsi_id prefers them; among NAAs the long ones with a vendor's number in them. */
function rank({ type, id }: Designator): number {
  const kind = (id[0] ?? 0) >> 4;
  if (type === NAA) return kind === 6 ? 0 : kind === 5 ? 1 : 4;
  if (type === EUI_64) return 2;
  if (type === SCSI_NAME) return 3;
  return 5;
}

function textOf({ type, id }: Designator): string {
  if (type === NAA || type === EUI_64) return `${type}${id.toString('hex')}`;
  const text = id.toString('latin1').replaceAll(/[^\x21-\x7e]+/g, '_');
  return `${type}${text.replaceAll(/^_+|_+$/g, '')}`;
}

export class LunIdentity {
  /** Best first. */
  readonly wwids: readonly string[];

  private constructor(wwids: readonly string[]) {
    this.wwids = wwids;
  }

  /** @param designators at least one */
  static of(designators: readonly Designator[]): LunIdentity {
    const sorted = [...designators].sort((a, b) => rank(a) - rank(b));
    return new LunIdentity([...new Set(sorted.map(textOf))]);
  }

  /** Of a LUN without designators, as scsi_id does it; undefined: it has no serial number either. */
  static ofSerial(
    { vendor, product }: StandardInquiry,
    serial: string | undefined,
  ): LunIdentity | undefined {
    if (serial === undefined || serial === '') return undefined;
    return new LunIdentity([`S${vendor}_${product}_${serial}`.replaceAll(/ +/g, '_')]);
  }

  get wwid(): string {
    return this.wwids[0] ?? '';
  }

  /** Whether somebody means this disk by `wwid`: any of its names, with or without the type in front. */
  isCalled(wwid: string): boolean {
    const wanted = wwid.toLowerCase();
    return this.wwids.some(
      (own) => own.toLowerCase() === wanted || own.slice(1).toLowerCase() === wanted,
    );
  }

  /**
   * Whether both are the same disk: they share a name, and have no kind of name in which they differ. (tgt makes
   * NAAs of nothing but target and LUN number: two disks can share those.)
   */
  agrees(other: LunIdentity): boolean {
    const shared = this.wwids.some((wwid) => other.wwids.includes(wwid));
    return shared && kinds(this).every((kind) => same(this.#named(kind), other.#named(kind)));
  }

  #named(kind: string): readonly string[] {
    return this.wwids.filter((wwid) => kindOf(wwid) === kind).sort();
  }
}

/** Of an NAA, its format too. */
const kindOf = (wwid: string): string =>
  wwid.startsWith('3') ? wwid.slice(0, 2) : wwid.slice(0, 1);

const kinds = ({ wwids }: LunIdentity): string[] => [...new Set(wwids.map(kindOf))];

/** A kind that one of them does not have says nothing: firmware learns new names. */
function same(a: readonly string[], b: readonly string[]): boolean {
  if (a.length === 0 || b.length === 0) return true;
  return a.length === b.length && a.every((wwid, index) => wwid === b[index]);
}
