/** One who is logged in. In memory: all are gone when the service ends, as with xapi. */
import type { Ref, Role } from '../datamodel/description.ts';

export interface Session {
  /** A secret: who knows it is the user. */
  readonly ref: Ref;
  readonly uuid: string;
  readonly user: string;
  /** Follows the user's. */
  role: Role;
  /** What the client calls itself, apart from others of the same user; empty: nothing. */
  readonly originator: string;
  /** Of the client that logged in. */
  readonly address: string;
  /** Of slave_local_login_with_password. */
  readonly isLocal: boolean;
  /** Milliseconds since the epoch, as all times. */
  readonly createdAt: number;
  usedAt: number;
  otherConfig: ReadonlyMap<string, string>;
  /** Aborted when it ends, with XenError SESSION_INVALID. */
  readonly ended: AbortController;
}
