/** errno for the data path, fault codes for the control plane. Imports base only. */
export { BlockError, type BlockOperation } from './block-error.ts';
export { ERRNOS, type Errno } from './errno.ts';
export { FAULT_CODES, Fault, type FaultCode, type FaultDetails } from './fault.ts';
