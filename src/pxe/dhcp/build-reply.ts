/** What every reply has in common (RFC 2131 §4.3.1, table 3). */
import { formatIpv4, ipv4Bytes } from '../../base/index.ts';
import type { ClientStage } from './classify-client.ts';
import { DHCP_OPTION, type DhcpMessageName } from './wire/option-numbers.ts';
import { type DhcpPacket, FILE_FIELD_BYTES } from './wire/packet.ts';

export type ReplyOptions = Map<number, Buffer>;

/** What the client sent and wants back: 61 (RFC 6842), 97 (PXE 2.1), 82 (RFC 3046 §2.2, last). */
const ECHOED = [
  DHCP_OPTION.CLIENT_IDENTIFIER,
  DHCP_OPTION.CLIENT_MACHINE_IDENTIFIER,
  DHCP_OPTION.RELAY_AGENT_INFORMATION,
];

export interface BootInstructions {
  readonly stage: ClientStage;
  readonly fileName: string;
  readonly serverAddress: number;
}

export function buildReply(
  request: DhcpPacket,
  message: DhcpMessageName,
  serverAddress: number,
  changes: Partial<DhcpPacket> & { readonly options: ReplyOptions },
): DhcpPacket {
  const options: ReplyOptions = new Map([
    [DHCP_OPTION.SERVER_IDENTIFIER, ipv4Bytes(serverAddress)],
    ...changes.options,
  ]);
  for (const code of ECHOED) {
    const value = request.options.get(code);
    if (value !== undefined) options.set(code, value);
  }
  return {
    op: 'reply',
    message,
    hops: 0,
    xid: request.xid,
    secs: 0,
    broadcast: request.broadcast,
    ciaddr: 0,
    yiaddr: 0,
    siaddr: 0,
    giaddr: request.giaddr,
    mac: request.mac,
    serverName: '',
    fileName: '',
    ...changes,
    options,
  };
}

/**
 * The fields that name a boot file. It goes into `file`, where every firmware looks; option 67 takes
 * what does not fit, and what the client listed in option 55.
 */
export function bootFields(
  request: DhcpPacket,
  boot: BootInstructions,
): Pick<DhcpPacket, 'siaddr' | 'serverName' | 'fileName'> & { readonly options: ReplyOptions } {
  const options: ReplyOptions = new Map();
  const fits = boot.fileName.length < FILE_FIELD_BYTES;
  const asked = request.options.get(DHCP_OPTION.PARAMETER_REQUEST_LIST);
  if (!fits || asked?.includes(DHCP_OPTION.BOOT_FILE_NAME) === true) {
    options.set(DHCP_OPTION.BOOT_FILE_NAME, Buffer.from(boot.fileName, 'latin1'));
  }
  if (asked?.includes(DHCP_OPTION.TFTP_SERVER_NAME) === true) {
    options.set(DHCP_OPTION.TFTP_SERVER_NAME, Buffer.from(formatIpv4(boot.serverAddress)));
  }
  return {
    siaddr: boot.serverAddress,
    serverName: formatIpv4(boot.serverAddress),
    fileName: fits ? boot.fileName : '',
    options,
  };
}
