/**
 * What real firmware sends, byte by byte, built without the codec under test. Option values are the
 * ones captured from QEMU (docs/BOOT.md, "What firmware sends").
 */
export const MAC = '52:54:00:12:34:56';

export interface RawDhcp {
  readonly message: number;
  readonly op?: number;
  readonly mac?: string;
  readonly xid?: number;
  readonly flags?: number;
  readonly ciaddr?: string;
  readonly giaddr?: string;
  readonly options?: readonly (readonly [number, Buffer | string])[];
}

function quad(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

/** Values given as text are ASCII; hexadecimal ones are made with `hex`. */
export function rawDhcp(packet: RawDhcp): Buffer {
  const head = Buffer.alloc(240);
  head[0] = packet.op ?? 1;
  head[1] = 1;
  head[2] = 6;
  head.writeUInt32BE(packet.xid ?? 0x1234abcd, 4);
  head.writeUInt16BE(packet.flags ?? 0, 10);
  quad(packet.ciaddr ?? '0.0.0.0').copy(head, 12);
  quad(packet.giaddr ?? '0.0.0.0').copy(head, 24);
  Buffer.from((packet.mac ?? MAC).replaceAll(':', ''), 'hex').copy(head, 28);
  Buffer.from('63825363', 'hex').copy(head, 236);
  const options = (packet.options ?? []).map(([code, value]) => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([code, bytes.length]), bytes]);
  });
  return Buffer.concat([
    head,
    Buffer.from([53, 1, packet.message]),
    ...options,
    Buffer.from([255]),
  ]);
}

export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

export function address(text: string): Buffer {
  return quad(text);
}

export const DISCOVER = 1;
export const REQUEST = 3;
export const DECLINE = 4;
export const RELEASE = 7;
export const INFORM = 8;

const UUID = hex('00 78563412 3412 7856 9abc def012345678');
const PARAMETERS = hex('01 03 06 0c 0f 2b 3c 42 43 61 80 81 af');

export const FIRMWARE = {
  biosRom: [
    [60, 'PXEClient:Arch:00000:UNDI:002001'],
    [93, hex('0000')],
    [94, hex('010201')],
    [55, PARAMETERS],
    [97, UUID],
  ],
  ipxeRom: [
    [57, hex('05c0')],
    [93, hex('0000')],
    [94, hex('010201')],
    [60, 'PXEClient:Arch:00000:UNDI:002001'],
    [77, 'iPXE'],
    [55, PARAMETERS],
    [
      175,
      hex(
        'b105 01 1af4 1000 eb03 010000 170101 220101 130101 110101 270101 190101 290101 100102 210101 150101 180101 1b0101 120101',
      ),
    ],
    [61, hex('01 525400123456')],
    [97, UUID],
  ],
  ipxeEfi: [
    [60, 'PXEClient:Arch:00007:UNDI:003010'],
    [93, hex('0007')],
    [94, hex('01030a')],
    [77, 'iPXE'],
    [175, hex('eb03 010000 130101 240101')],
    [97, UUID],
  ],
  ipxeWithoutHttp: [
    [60, 'PXEClient:Arch:00000:UNDI:002001'],
    [93, hex('0000')],
    [77, 'iPXE'],
    [175, hex('eb03 010000 150101')],
  ],
  ovmfPxe: [
    [57, hex('05c0')],
    [60, 'PXEClient:Arch:00007:UNDI:003000'],
    [93, hex('0007')],
    [94, hex('010300')],
    [55, PARAMETERS],
    [97, UUID],
  ],
  ovmfHttp: [
    [60, 'HTTPClient:Arch:00016:UNDI:003000'],
    [93, hex('0010')],
    [94, hex('010300')],
    [55, PARAMETERS],
    [97, UUID],
  ],
  aavmfPxe: [
    [60, 'PXEClient:Arch:00011:UNDI:003000'],
    [93, hex('000b')],
    [97, UUID],
  ],
  aavmfHttp: [
    [60, 'HTTPClient:Arch:00019:UNDI:003000'],
    [93, hex('0013')],
  ],
  linux: [
    [60, 'udhcp 1.35.0'],
    [55, hex('01 03 06 0c 0f 1c 2a')],
  ],
} satisfies Record<string, readonly (readonly [number, Buffer | string])[]>;
