import { describeClass, field, message, parameter, ref, STRING_MAP, set } from './description.ts';

const NAME = parameter('string', 'The name of the user');
const PASSWORD = parameter('string', 'Its password');

export const SESSION = describeClass({
  name: 'session',
  doc: 'Somebody who is logged in. Only its own session can be looked at.',
  role: 'read-only',
  events: false,
  listed: false,
  fields: {
    uuid: field('string', 'dynamic', 'Unique; not the reference, which is a secret'),
    this_host: field(ref('host'), 'dynamic', 'The server that it is a session of'),
    this_user: field(ref('user'), 'dynamic', 'Always null'),
    last_active: field('datetime', 'dynamic', 'When it was used last'),
    pool: field('bool', 'dynamic', 'Whether it is one between servers: never'),
    other_config: field(STRING_MAP, 'rw', 'For clients'),
    is_local_superuser: field('bool', 'dynamic', 'Whether it may do everything'),
    subject: field(ref('subject'), 'dynamic', 'Always null'),
    validation_time: field('datetime', 'dynamic', 'When its password was checked'),
    auth_user_sid: field('string', 'dynamic', 'Identifies the user; empty: root'),
    auth_user_name: field('string', 'dynamic', 'The name of the user'),
    rbac_permissions: field(set('string'), 'dynamic', 'What it may call, as class.message'),
    tasks: field(set(ref('task')), 'dynamic', 'Tasks that were begun in it'),
    parent: field(ref('session'), 'dynamic', 'Always null'),
    originator: field('string', 'dynamic', 'What the client called itself when it logged in'),
    client_certificate: field('bool', 'dynamic', 'Whether it came with a certificate: never'),
  },
  messages: {
    login_with_password: message({
      parameters: {
        uname: NAME,
        pwd: PASSWORD,
        version: parameter('string', 'Of the API that the client knows; not looked at', {
          byDefault: '1.1',
        }),
        originator: parameter(
          'string',
          'A name of the client, which keeps its sessions apart from those of others of the same user',
          { byDefault: '' },
        ),
      },
      result: ref('session'),
      role: 'read-only',
      doc: 'Begins a session',
      errors: ['SESSION_AUTHENTICATION_FAILED'],
      session: false,
    }),
    slave_local_login_with_password: message({
      parameters: { uname: NAME, pwd: PASSWORD },
      result: ref('session'),
      role: 'read-only', // of nobody yet: that it is a pool-admin who logs in is checked
      doc: 'Begins a session of this server alone, for a pool-admin: here one like any other',
      errors: ['SESSION_AUTHENTICATION_FAILED', 'RBAC_PERMISSION_DENIED'],
      session: false,
    }),
    slave_local_login: message({
      parameters: {
        psecret: parameter('string', 'the secret of the pool: the token of the REST API'),
      },
      result: ref('session'),
      role: 'read-only', // of nobody yet
      doc: 'Begins a session of this server alone, for who knows the secret of the pool',
      errors: ['SESSION_AUTHENTICATION_FAILED'],
      session: false,
    }),
    logout: message({
      parameters: {},
      result: 'void',
      role: 'read-only',
      doc: 'Ends the session; who waits for events in it is answered with SESSION_INVALID',
      async: false,
    }),
    local_logout: message({
      parameters: {},
      result: 'void',
      role: 'read-only',
      doc: 'Ends the session',
      async: false,
    }),
    change_password: message({
      parameters: {
        old_pwd: parameter('string', 'The password until now'),
        new_pwd: parameter('string', 'The password from now on'),
      },
      result: 'void',
      role: 'read-only',
      doc: "Changes one's own password; that of root is the token of the REST API and cannot be changed here",
      errors: ['SESSION_AUTHENTICATION_FAILED', 'CHANGE_PASSWORD_REJECTED'],
      async: false,
    }),
    get_all_subject_identifiers: message({
      parameters: {},
      result: set('string'),
      role: 'read-only',
      doc: 'Who is logged in, but for root',
      async: false,
    }),
    logout_subject_identifier: message({
      parameters: {
        subject_identifier: parameter('string', "The user's auth_user_sid: its name"),
      },
      result: 'void',
      role: 'pool-operator',
      doc: 'Ends all sessions of a user, but for the one that asks',
      async: false,
    }),
  },
});
