/**
 * DHCP, TFTP and HTTP for machines that boot over the network. Knows machines and images only through
 * its port, BootCatalog. Start with start-pxe.ts; docs/BOOT.md says what real firmware does.
 */
export type {
  BootCatalog,
  BootClient,
  BootDecision,
  BootFile,
  BootFileRequest,
  BootFileRole,
  BootPlan,
  ClientArchitecture,
  Firmware,
  Initramfs,
  Lease,
  LeaseStore,
  LoaderChoice,
  MachineBootPlan,
} from './boot-catalog.ts';
export {
  type AddressRange,
  DEFAULT_LOADER_FOLDERS,
  type DhcpConfig,
  type FullDhcpConfig,
  type PxeConfig,
  type PxePorts,
  type RelayedSubnet,
  type Reservation,
} from './config.ts';
export type { PxeEvent, PxeReporter } from './events.ts';
export { MAX_MEDIUM_SERVERS } from './limits.ts';
export {
  ISOLINUX_CONFIG,
  type MediumOptions,
  type MediumServer,
  mediumGrubConfig,
  mediumIpxeScript,
} from './media/medium-texts.ts';
export { type PxeDependencies, type RunningPxe, startPxe } from './start-pxe.ts';
