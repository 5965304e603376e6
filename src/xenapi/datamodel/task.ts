import {
  describeClass,
  field,
  map,
  message,
  oneOf,
  parameter,
  ref,
  STRING_MAP,
  set,
} from './description.ts';

const OPERATION = oneOf('task_allowed_operations', ['cancel', 'destroy']);
const STATUS = oneOf('task_status_type', [
  'pending',
  'success',
  'failure',
  'cancelling',
  'cancelled',
]);

const SELF = parameter(ref('task'), 'the task');

/** Setters that ask whose task it is: of others only pool-operators may. */
const SETTER = { role: 'read-only', result: 'void', async: false } as const;

export const TASK = describeClass({
  name: 'task',
  doc: 'Work that is not waited for: `Async.` calls, transfers, and what the server does by itself',
  role: 'read-only',
  destroy: 'read-only',
  fields: {
    uuid: field('string', 'dynamic', 'Its own'),
    name_label: field('string', 'dynamic', 'What was called, or what its maker calls it'),
    name_description: field('string', 'dynamic', 'For people'),
    allowed_operations: field(set(OPERATION), 'dynamic', 'What can be done to it now'),
    current_operations: field(
      map('string', OPERATION),
      'dynamic',
      'What is being done to it: that it be cancelled, that it be destroyed when it ends',
    ),
    created: field('datetime', 'dynamic', 'When it began'),
    finished: field('datetime', 'dynamic', 'When it ended; the epoch until it has'),
    status: field(STATUS, 'dynamic', 'How it stands'),
    resident_on: field(ref('host'), 'dynamic', 'Where it is done'),
    progress: field('float', 'dynamic', '0 to 1; told about once a second'),
    type: field('string', 'dynamic', 'Of the result; not used'),
    result: field(
      'string',
      'dynamic',
      'What it came to, as the text of an XML-RPC value; empty for nothing',
    ),
    error_info: field(set('string'), 'dynamic', 'Why it failed: the code and its parameters'),
    other_config: field(STRING_MAP, 'rw', 'What its maker keeps with it', {
      byDefault: new Map(),
    }),
    subtask_of: field(ref('task'), 'dynamic', 'What it is a part of'),
    subtasks: field(set(ref('task')), 'dynamic', 'Its parts', {
      reverse: { of: 'task', field: 'subtask_of' },
    }),
    backtrace: field('string', 'dynamic', 'Not used', { byDefault: '()' }),
  },
  messages: {
    create: message({
      doc: 'A task that its maker works on, or names to a transfer',
      role: 'read-only',
      parameters: {
        label: parameter('string', 'its name'),
        description: parameter('string', 'for people'),
      },
      result: ref('task'),
      errors: ['TOO_MANY_PENDING_TASKS'],
      async: false,
    }),
    cancel: message({
      doc: 'Asks that it end; how it ends is in its status',
      role: 'read-only',
      parameters: { task: SELF },
      result: 'void',
      errors: ['OPERATION_NOT_ALLOWED', 'RBAC_PERMISSION_DENIED'],
    }),
    set_status: message({
      ...SETTER,
      doc: 'Of one that its maker works on: how it stands',
      parameters: { self: SELF, value: parameter(STATUS, 'how it stands') },
      errors: ['OPERATION_NOT_ALLOWED'],
    }),
    set_progress: message({
      ...SETTER,
      doc: 'Of one that its maker works on: how far it is',
      parameters: { self: SELF, value: parameter('float', '0 to 1') },
      errors: ['OPERATION_NOT_ALLOWED'],
    }),
    set_result: message({
      ...SETTER,
      doc: 'Of one that its maker works on: what it came to',
      parameters: { self: SELF, value: parameter('string', 'what it came to') },
      errors: ['OPERATION_NOT_ALLOWED'],
    }),
    set_error_info: message({
      ...SETTER,
      doc: 'Of one that its maker works on: why it failed',
      parameters: { self: SELF, value: parameter(set('string'), 'a code and its parameters') },
      errors: ['OPERATION_NOT_ALLOWED'],
    }),
    set_other_config: message({
      ...SETTER,
      doc: 'Sets the field',
      parameters: { self: SELF, value: parameter(STRING_MAP, 'all of it') },
    }),
    add_to_other_config: message({
      ...SETTER,
      doc: 'Adds to the field',
      parameters: {
        self: SELF,
        key: parameter('string', 'a new key'),
        value: parameter('string', 'its value'),
      },
      errors: ['MAP_DUPLICATE_KEY'],
    }),
    remove_from_other_config: message({
      ...SETTER,
      doc: 'Takes from the field; what it does not have is no mistake',
      parameters: { self: SELF, key: parameter('string', 'the key') },
    }),
  },
});
