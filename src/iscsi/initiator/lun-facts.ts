/** What a LUN is and can do: asked when a path comes up (identity and size), and once when the device is opened (the rest). */
import {
  ASC,
  type BlockLimits,
  type Capacity,
  decodeBlockLimits,
  decodeCapacity10,
  decodeCapacity16,
  decodeDesignators,
  decodeInquiry,
  decodeLuns,
  decodeModeSense,
  decodeProvisioning,
  decodeRotationRate,
  decodeSerial,
  decodeSupportedPages,
  type Lun,
  lunOf,
  type ModeFacts,
  numberOfLun,
  type Provisioning,
  SENSE_KEY,
  STATUS,
  type StandardInquiry,
} from '../wire/index.ts';
import type { Connection } from './connection.ts';
import { BLOCK_BYTES } from './limits.ts';
import { LunIdentity } from './lun-identity.ts';
import { ask, askData } from './questions.ts';

/** `none`: no LUN of this number, or none that is a disk. `not-ready`: later perhaps. */
export class LunUnusable extends Error {
  override readonly name = 'LunUnusable';
  readonly why: 'none' | 'not-ready';

  constructor(why: 'none' | 'not-ready', message: string) {
    super(message);
    this.why = why;
  }
}

/** What is asked at every (re)connect. */
export interface LunLook {
  readonly inquiry: StandardInquiry;
  readonly identity: LunIdentity;
  readonly capacity: Capacity;
  readonly supports16: boolean;
}

export interface LunFacts extends LunLook {
  readonly serial: string | undefined;
  readonly limits: BlockLimits | undefined;
  readonly provisioning: Provisioning | undefined;
  readonly mode: ModeFacts | undefined;
  readonly rotational: boolean;
  readonly lbaStatus: boolean;
}

const INQUIRY_BYTES = 96;
const PAGE_BYTES = 255;
/** What a page of designators may have. */
const LONG_PAGE_BYTES = 4096;
const MODE_BYTES = 255;
const ALL_PAGES = 0x3f;
const CACHING_PAGE = 0x08;
const CAPACITY_16_BYTES = 32;
const LBA_STATUS_BYTES = 24;
const QUALIFIER_CONNECTED = 0;
/** Direct access, write-once, optical, simplified, and host-managed zoned are not what we take: only plain disks. */
const DISK = 0;

/** @throws IscsiError no answer, LunUnusable */
export async function lookAtLun(connection: Connection, lun: Lun): Promise<LunLook> {
  await untilReady(connection, lun);
  const standard = await askData(connection, lun, inquiry(undefined, INQUIRY_BYTES));
  const decoded = standard === undefined ? undefined : decodeInquiry(standard);
  if (decoded === undefined) throw new LunUnusable('none', 'the LUN does not answer INQUIRY');
  if (decoded.qualifier !== QUALIFIER_CONNECTED || decoded.deviceType !== DISK) {
    throw new LunUnusable('none', 'there is no disk at this LUN');
  }
  const names = await askData(connection, lun, inquiry(0x83, LONG_PAGE_BYTES));
  const designators = names === undefined ? [] : decodeDesignators(names);
  const identity =
    designators.length > 0
      ? LunIdentity.of(designators)
      : LunIdentity.ofSerial(decoded, await serialOf(connection, lun));
  if (identity === undefined) {
    throw new LunUnusable('none', 'the LUN has neither a WWID nor a serial number');
  }
  const { capacity, supports16 } = await capacityOf(connection, lun);
  return { inquiry: decoded, identity, capacity, supports16 };
}

/** Unit serial number. @throws IscsiError no answer */
export async function serialOf(connection: Connection, lun: Lun): Promise<string | undefined> {
  const data = await askData(connection, lun, inquiry(0x80, PAGE_BYTES));
  return data === undefined ? undefined : decodeSerial(data);
}

async function untilReady(connection: Connection, lun: Lun): Promise<void> {
  const { status, sense } = await ask(connection, lun, { op: 'test-unit-ready' });
  if (status === STATUS.good) return;
  const detail = `status ${status}, sense ${sense?.key ?? 0}/${(sense?.asc ?? 0).toString(16)}`;
  const none = sense?.key === SENSE_KEY.illegalRequest && sense.asc === ASC.logicalUnitNotSupported;
  if (none) throw new LunUnusable('none', `there is no such LUN (${detail})`);
  throw new LunUnusable('not-ready', `the LUN is not ready (${detail})`);
}

/** @throws IscsiError no answer, LunUnusable */
export async function capacityOf(
  connection: Connection,
  lun: Lun,
): Promise<{ readonly capacity: Capacity; readonly supports16: boolean }> {
  const long = await askData(connection, lun, {
    op: 'read-capacity-16',
    allocation: CAPACITY_16_BYTES,
  });
  const sixteen = long === undefined ? undefined : decodeCapacity16(long);
  if (sixteen !== undefined) return { capacity: usable(sixteen), supports16: true };
  const short = await askData(connection, lun, { op: 'read-capacity-10' });
  const ten = short === undefined ? undefined : decodeCapacity10(short);
  if (ten === undefined || ten === 'overflow') {
    throw new LunUnusable('not-ready', 'the LUN does not say how large it is');
  }
  return { capacity: usable(ten), supports16: false };
}

function usable(capacity: Capacity): Capacity {
  const { blockSize } = capacity;
  const power = blockSize > 0 && (blockSize & (blockSize - 1)) === 0;
  if (power && blockSize >= 512 && blockSize <= BLOCK_BYTES) return capacity;
  throw new LunUnusable('none', `its logical blocks have ${blockSize} bytes`);
}

/** The rest. What a LUN does not answer it does not have. @throws IscsiError no answer */
export async function factsOfLun(
  connection: Connection,
  lun: Lun,
  look: LunLook,
): Promise<LunFacts> {
  const listed = await askData(connection, lun, inquiry(0x00, PAGE_BYTES));
  const pages = listed === undefined ? [] : decodeSupportedPages(listed);
  const page = (code: number): Promise<Buffer | undefined> | undefined =>
    pages.includes(code) ? askData(connection, lun, inquiry(code, PAGE_BYTES)) : undefined;
  const serial = await page(0x80);
  const limits = await page(0xb0);
  const characteristics = await page(0xb1);
  const provisioning = await page(0xb2);
  const lbaStatus =
    look.capacity.thin && look.supports16 && (await answersLbaStatus(connection, lun));
  return {
    ...look,
    serial: serial === undefined ? undefined : decodeSerial(serial),
    limits: limits === undefined ? undefined : decodeBlockLimits(limits),
    provisioning: provisioning === undefined ? undefined : decodeProvisioning(provisioning),
    mode: await modeOf(connection, lun),
    rotational: characteristics !== undefined && decodeRotationRate(characteristics) > 1,
    lbaStatus,
  };
}

async function answersLbaStatus(connection: Connection, lun: Lun): Promise<boolean> {
  const data = await askData(connection, lun, {
    op: 'get-lba-status',
    lba: 0,
    allocation: LBA_STATUS_BYTES,
  });
  return data !== undefined && data.length === LBA_STATUS_BYTES;
}

async function modeOf(connection: Connection, lun: Lun): Promise<ModeFacts | undefined> {
  for (const page of [ALL_PAGES, CACHING_PAGE]) {
    for (const ten of [false, true]) {
      const op = ten ? 'mode-sense-10' : 'mode-sense-6';
      const data = await askData(connection, lun, { op, page, allocation: MODE_BYTES });
      const facts = data === undefined ? undefined : decodeModeSense(data, ten);
      if (facts !== undefined) return facts;
    }
  }
  return undefined;
}

/** Numbers of the LUNs of a target, those that we can address. @throws IscsiError no answer, LunUnusable it refuses */
export async function lunsOfTarget(connection: Connection): Promise<readonly number[]> {
  let allocation = LONG_PAGE_BYTES;
  for (;;) {
    const data = await askData(connection, lunOf(0), { op: 'report-luns', allocation });
    const list = data === undefined ? undefined : decodeLuns(data);
    if (list === undefined) throw new LunUnusable('none', 'the target does not report its LUNs');
    if (list.complete || allocation > LONG_PAGE_BYTES) {
      return list.luns.flatMap((lun) => numberOfLun(lun) ?? []);
    }
    allocation = LONG_PAGE_BYTES * 33; // as many as are taken at all
  }
}

function inquiry(page: number | undefined, allocation: number) {
  return { op: 'inquiry', page, allocation } as const;
}
