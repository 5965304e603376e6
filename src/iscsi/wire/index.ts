/** The iSCSI and SCSI codecs, pure, for both ends. Read first: frame.ts, requests.ts, responses.ts, cdb.ts. */
export { CDB_SIZE, type Cdb, decodeCdb, encodeCdb } from './cdb.ts';
export * from './constants.ts';
export { crc32c } from './crc32c.ts';
export {
  decodeFrame,
  type FrameHeader,
  type FrameRules,
  type FrameViolation,
  padding,
} from './frame.ts';
export {
  type BlockLimits,
  type Designator,
  decodeBlockLimits,
  decodeDesignators,
  decodeInquiry,
  decodeProvisioning,
  decodeRotationRate,
  decodeSerial,
  decodeSupportedPages,
  type Provisioning,
  type StandardInquiry,
} from './inquiry.ts';
export { AHS_BYTES } from './limits.ts';
export { LARGEST_LUN, type Lun, lunOf, numberOfLun } from './lun.ts';
export {
  type Capacity,
  decodeCapacity10,
  decodeCapacity16,
  decodeLbaStatus,
  decodeLuns,
  decodeModeSense,
  encodeUnmapList,
  type LbaStatus,
  type ModeFacts,
} from './parameter-data.ts';
export {
  CDB_OFFSET,
  type DataOut,
  decodeRequest,
  type InitiatorPdu,
  type Isid,
  type LoginRequest,
  type LogoutRequest,
  type NopOut,
  type ScsiCommand,
  SIMPLE,
  type TaskManagementRequest,
  type TextRequest,
  writeDataOut,
  writeRequest,
  writeScsiCommand,
} from './requests.ts';
export {
  type AsyncMessage,
  type DataIn,
  decodeResponse,
  type LoginResponse,
  type LogoutResponse,
  type NopIn,
  type Numbering,
  type R2t,
  type Reject,
  type ScsiResponse,
  type TargetPdu,
  type TaskManagementResponse,
  type TextResponse,
  writeResponse,
} from './responses.ts';
export { decodeSense, encodeSense, type Sense } from './sense.ts';
export { isAfter, next } from './serial-number.ts';
export {
  decodeBinaryValue,
  decodeText,
  encodeBinaryValue,
  encodeText,
  type TextPair,
  type TextViolation,
} from './text.ts';
