/** The numbers of RFC 7143 (iSCSI), SPC-4 and SBC-3 that are used here, under the documents' own names. */

/** Basic header segment (RFC 7143, 11.2.1), and a digest behind it or behind the data. */
export const BHS_SIZE = 48;
export const DIGEST_SIZE = 4;

/** Initiator and target opcodes (11.2.1.2). */
export const OPCODE = {
  nopOut: 0x00,
  scsiCommand: 0x01,
  taskManagementRequest: 0x02,
  loginRequest: 0x03,
  textRequest: 0x04,
  dataOut: 0x05,
  logoutRequest: 0x06,
  nopIn: 0x20,
  scsiResponse: 0x21,
  taskManagementResponse: 0x22,
  loginResponse: 0x23,
  textResponse: 0x24,
  dataIn: 0x25,
  logoutResponse: 0x26,
  r2t: 0x31,
  asyncMessage: 0x32,
  reject: 0x3f,
} as const;

export const IMMEDIATE = 0x40;
/** F in data and commands, T (transit) in login. */
export const FINAL = 0x80;
/** C in login and text. */
export const CONTINUE = 0x40;

/** Initiator task tag and target transfer tag that stand for none. */
export const NO_TAG = 0xffffffff;

export const STAGE = { security: 0, operational: 1, fullFeature: 3 } as const;

/** Login status class and detail, as one number (11.13.5). */
export const LOGIN_STATUS = {
  success: 0x0000,
  movedTemporarily: 0x0101,
  movedPermanently: 0x0102,
  initiatorError: 0x0200,
  authenticationFailure: 0x0201,
  authorizationFailure: 0x0202,
  notFound: 0x0203,
  targetRemoved: 0x0204,
  sessionMissing: 0x020a,
  targetError: 0x0300,
  serviceUnavailable: 0x0301,
  outOfResources: 0x0302,
} as const;

/** Task management functions and responses (11.5.1, 11.6.1). */
export const TASK_MANAGEMENT = { abortTask: 1, logicalUnitReset: 5 } as const;
export const TASK_MANAGEMENT_RESPONSE = {
  complete: 0,
  taskDoesNotExist: 1,
  lunDoesNotExist: 2,
  notSupported: 5,
  rejected: 255,
} as const;

/** Async events (11.9.1). */
export const ASYNC_EVENT = {
  scsi: 0,
  logoutRequested: 1,
  connectionDropped: 2,
  sessionDropped: 3,
  negotiationRequested: 4,
} as const;

/** SCSI status (SAM-5, 5.3.1). */
export const STATUS = {
  good: 0x00,
  checkCondition: 0x02,
  busy: 0x08,
  reservationConflict: 0x18,
  taskSetFull: 0x28,
  acaActive: 0x30,
  taskAborted: 0x40,
} as const;

/** Sense keys (SPC-4, 4.5.6). */
export const SENSE_KEY = {
  noSense: 0x0,
  recoveredError: 0x1,
  notReady: 0x2,
  mediumError: 0x3,
  hardwareError: 0x4,
  illegalRequest: 0x5,
  unitAttention: 0x6,
  dataProtect: 0x7,
  abortedCommand: 0xb,
  volumeOverflow: 0xd,
} as const;

/** Additional sense code and qualifier, as one number (SPC-4, annex F). */
export const ASC = {
  becomingReady: 0x0401,
  invalidOpcode: 0x2000,
  lbaOutOfRange: 0x2100,
  invalidField: 0x2400,
  logicalUnitNotSupported: 0x2500,
  invalidParameter: 0x2600,
  writeProtected: 0x2700,
  spaceAllocationFailed: 0x2707,
  powerOnOrReset: 0x2900,
  modeParametersChanged: 0x2a01,
  capacityChanged: 0x2a09,
  commandsCleared: 0x2f00,
  inquiryDataChanged: 0x3f03,
  reportedLunsChanged: 0x3f0e,
} as const;
