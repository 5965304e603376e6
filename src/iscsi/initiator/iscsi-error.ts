/** Why a session could not be made, or ended. The data path turns it into a BlockError, the adapter into an ArrayError. */

export type IscsiFailure =
  | 'unreachable' // no TCP connection
  | 'timeout'
  | 'authentication' // CHAP: we were refused
  | 'target-authentication' // mutual CHAP: the target could not prove who it is
  | 'authorization'
  | 'not-found' // no such target there
  | 'unavailable' // the target says: not now
  | 'refused' // any other status, or parameters that we cannot accept
  | 'redirect-loop'
  | 'violation' // the target broke the protocol
  | 'ended'; // closed by the target, the network, or us

export class IscsiError extends Error {
  override readonly name = 'IscsiError';
  readonly failure: IscsiFailure;

  constructor(failure: IscsiFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

/** Every way in which a target can break the protocol so that the connection has to end. */
export class IscsiViolation extends IscsiError {
  readonly violation: string;

  constructor(violation: string) {
    super('violation', `the iSCSI target broke the protocol: ${violation}`);
    this.violation = violation;
  }
}
