/** The class session: its records are the live sessions, each seen by itself alone. */
import { type Control, updateXenUser } from '../../../control/index.ts';
import { Fault } from '../../../errors/index.ts';
import {
  type Caller,
  type Handlers,
  type Implementation,
  implement,
  type OwnRecords,
} from '../../call.ts';
import type { RecordOf, Ref, Role } from '../../datamodel/description.ts';
import { SESSION } from '../../datamodel/session.ts';
import { NULL_REF } from '../../objects/refs.ts';
import { requireRole } from '../../sessions/permissions.ts';
import type { Session } from '../../sessions/session.ts';
import type { Sessions } from '../../sessions/sessions.ts';
import { xenError } from '../../xen-error.ts';

export interface SessionMessagesOptions {
  readonly control: Control;
  readonly sessions: Sessions;
  /** The host that this server is. */
  readonly thisHost: () => Ref;
  /** What a role may call, as sessions/permissions.ts makes it of all there is to call. */
  readonly permissionsOf: (role: Role) => readonly string[];
  /** Tasks that were begun in a session. */
  readonly tasksOf: (session: Ref) => readonly Ref[];
}

const ROOT = 'root';
const SUPERUSER = 'pool-admin';

export function sessionMessages(options: SessionMessagesOptions): Implementation {
  const { sessions } = options;
  return implement(SESSION, handlersOf(options), {
    own: ownRecords({ ...options, permissionsOf: remembered(options.permissionsOf) }),
    setField: (of, name, value) => {
      // The only one that can be written; who may was seen when it was read.
      if (name === 'other_config')
        sessions.setOtherConfig(of, value as ReadonlyMap<string, string>);
    },
  });
}

/** Each getter makes a whole record; what a role may call never changes. */
function remembered(
  permissionsOf: SessionMessagesOptions['permissionsOf'],
): SessionMessagesOptions['permissionsOf'] {
  const known = new Map<Role, readonly string[]>();
  return (role) => {
    const permissions = known.get(role) ?? permissionsOf(role);
    known.set(role, permissions);
    return permissions;
  };
}

function handlersOf(options: SessionMessagesOptions): Handlers<typeof SESSION> {
  const { control, sessions } = options;
  return {
    login_with_password: async ({ address }, { uname, pwd, originator }) => {
      const session = await sessions.login({ name: uname, password: pwd, address, originator });
      return session.ref;
    },
    slave_local_login_with_password: async ({ address }, { uname, pwd }) => {
      const session = await sessions.login({ name: uname, password: pwd, address, isLocal: true });
      try {
        requireRole(session, SUPERUSER, 'session.slave_local_login_with_password');
      } catch (error) {
        sessions.end(session.ref);
        throw error;
      }
      return session.ref;
    },
    // A pool of one host has one secret that its parts know each other by.
    slave_local_login: async ({ address }, { psecret }) => {
      const login = { name: ROOT, password: psecret, address, isLocal: true };
      return (await sessions.login(login)).ref;
    },
    logout: ({ caller }) => sessions.end(caller.session),
    local_logout: ({ caller }) => sessions.end(caller.session),
    change_password: ({ caller }, { old_pwd, new_pwd }) =>
      changePassword(control, sessions, caller, { from: old_pwd, to: new_pwd }),
    get_all_subject_identifiers: () => sessions.users().filter((user) => user !== ROOT),
    logout_subject_identifier: ({ caller }, { subject_identifier }) =>
      sessions.endOfUser(subject_identifier, caller.session),
  };
}

/** @throws XenError SESSION_AUTHENTICATION_FAILED, CHANGE_PASSWORD_REJECTED */
async function changePassword(
  control: Control,
  sessions: Sessions,
  { session, user }: Caller,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<void> {
  const { address } = sessions.get(session);
  await sessions.checkPassword({ name: user, address }, from);
  try {
    await updateXenUser(control, user, { password: to });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw xenError('CHANGE_PASSWORD_REJECTED', error.message);
  }
}

function ownRecords(options: SessionMessagesOptions): OwnRecords {
  const { sessions } = options;
  const own = ({ session }: Caller, of: Ref): Session => {
    // Also of those of others: who could tell them from none could try references.
    if (of !== session) throw xenError('HANDLE_INVALID', 'session', of);
    return sessions.get(of);
  };
  return {
    record: (caller, of) => recordOf(own(caller, of), options),
    refs: ({ session }) => [session],
    byUuid: ({ session }, uuid) => (sessions.get(session).uuid === uuid ? session : undefined),
  };
}

function recordOf(session: Session, options: SessionMessagesOptions): RecordOf<typeof SESSION> {
  const { ref, uuid, user, role, createdAt, usedAt, originator, otherConfig } = session;
  return {
    uuid,
    this_host: options.thisHost(),
    this_user: NULL_REF,
    last_active: usedAt,
    pool: false,
    other_config: otherConfig,
    is_local_superuser: role === SUPERUSER,
    subject: NULL_REF,
    validation_time: createdAt,
    auth_user_sid: user === ROOT ? '' : user,
    auth_user_name: user,
    rbac_permissions: options.permissionsOf(role),
    tasks: options.tasksOf(ref),
    parent: NULL_REF,
    originator,
    client_certificate: false,
  };
}
