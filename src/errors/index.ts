/** errno for the data path, array codes for the arrays, fault codes for the control plane. Imports base only. */
export {
  ARRAY_ERROR_CODES,
  ArrayError,
  type ArrayErrorCode,
  type ArrayErrorDetails,
  type ArrayRetry,
  isAnswerLost,
} from './array-error.ts';
export { BlockError, type BlockOperation } from './block-error.ts';
export { ERRNOS, type Errno } from './errno.ts';
export { FAULT_CODES, Fault, type FaultCode, type FaultDetails } from './fault.ts';
