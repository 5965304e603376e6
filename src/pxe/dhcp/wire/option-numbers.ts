/** DHCP option codes that we read or write, and what firmware puts into them. */
export const DHCP_OPTION = {
  PAD: 0,
  SUBNET_MASK: 1, // RFC 2132 §3.3
  ROUTER: 3, // §3.5
  DNS_SERVERS: 6, // §3.8
  HOST_NAME: 12, // §3.14
  DOMAIN_NAME: 15, // §3.17
  BROADCAST_ADDRESS: 28, // §5.3
  VENDOR_SPECIFIC: 43, // §8.4, PXE 2.1
  REQUESTED_ADDRESS: 50, // §9.1
  LEASE_TIME: 51, // §9.2
  OVERLOAD: 52, // §9.3
  MESSAGE_TYPE: 53, // §9.6
  SERVER_IDENTIFIER: 54, // §9.7
  PARAMETER_REQUEST_LIST: 55, // §9.8
  MESSAGE: 56, // §9.9
  MAX_MESSAGE_SIZE: 57, // §9.10
  RENEWAL_TIME: 58, // §9.11
  REBINDING_TIME: 59, // §9.12
  VENDOR_CLASS: 60, // §9.13
  CLIENT_IDENTIFIER: 61, // §9.14
  TFTP_SERVER_NAME: 66, // §9.4
  BOOT_FILE_NAME: 67, // §9.5
  USER_CLASS: 77, // RFC 3004; iPXE sends a bare string
  RELAY_AGENT_INFORMATION: 82, // RFC 3046
  CLIENT_ARCHITECTURE: 93, // RFC 4578 §2.1
  CLIENT_NETWORK_INTERFACE: 94, // RFC 4578 §2.2
  CLIENT_MACHINE_IDENTIFIER: 97, // RFC 4578 §2.3
  IPXE_ENCAPSULATED: 175, // iPXE src/include/ipxe/dhcp.h
  END: 255,
} as const;

/** Sub-options of option 43 (PXE 2.1 §2.1). */
export const PXE_OPTION = {
  DISCOVERY_CONTROL: 6,
  BOOT_ITEM: 71,
} as const;

/** Sub-options of option 82 (RFC 3046, RFC 3527). */
export const RELAY_OPTION = {
  LINK_SELECTION: 5,
} as const;

/** Bit 3 of the discovery control: use the file name of this packet and skip discovery. */
export const PXE_BYPASS_DISCOVERY = 8;

/** Sub-options of option 175 (iPXE src/include/ipxe/dhcp.h and features.h). */
export const IPXE_OPTION = {
  FEATURE_HTTP: 0x13,
  NO_PXE_DHCP: 176,
} as const;

/** RFC 2132 §9.6. */
export const DHCP_MESSAGE = {
  DISCOVER: 1,
  OFFER: 2,
  REQUEST: 3,
  DECLINE: 4,
  ACK: 5,
  NAK: 6,
  RELEASE: 7,
  INFORM: 8,
} as const;

export type DhcpMessageName = keyof typeof DHCP_MESSAGE;

const MESSAGE_NAMES = Object.keys(DHCP_MESSAGE) as DhcpMessageName[];

export function messageName(code: number): DhcpMessageName | undefined {
  return MESSAGE_NAMES.find((name) => DHCP_MESSAGE[name] === code);
}
