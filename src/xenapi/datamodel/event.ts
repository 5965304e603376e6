import {
  ANY,
  describeClass,
  map,
  message,
  oneOf,
  option,
  parameter,
  record,
  set,
} from './description.ts';

const CLASSES = parameter(
  set('string'),
  '`*`, names of classes in any case, or `class/ref` of single objects',
);

/** One change, as it is told (xen-api event_types.ml). */
export const EVENT = record('event', {
  /** The generation of the change. */
  id: 'string',
  timestamp: 'string',
  /** In lower case, whatever the class is called. */
  class: 'string',
  operation: oneOf('event_operation', ['add', 'del', 'mod']),
  ref: 'string',
  /** The whole object as it is now; left out when it is gone. */
  snapshot: option(ANY),
});

export const EVENT_BATCH = record('event_batch', {
  events: set(EVENT),
  /** By class, in lower case: how many objects there are. */
  valid_ref_counts: map('string', 'int32'),
  token: 'string',
});

export const EVENT_CLASS = describeClass({
  name: 'event',
  doc: 'Changes of objects, for who waits for them',
  role: 'read-only',
  events: false,
  listed: false,
  fields: {},
  messages: {
    from: message({
      doc: 'What changed since `token`, each object once as it is now; waits until something does, or the time is over',
      role: 'read-only',
      parameters: {
        classes: CLASSES,
        token: parameter('string', 'what the last answer said; empty: from the beginning'),
        timeout: parameter('float', 'seconds; a negative one is a day'),
      },
      result: EVENT_BATCH,
      errors: [
        'SESSION_INVALID',
        'EVENTS_LOST',
        'EVENT_SUBSCRIPTION_PARSE_FAILURE',
        'EVENT_FROM_TOKEN_PARSE_FAILURE',
        'OPERATION_NOT_ALLOWED',
        'TOO_MANY_PENDING_TASKS',
      ],
      async: false,
    }),
    inject: message({
      doc: 'Makes a change of an object that changes nothing, and says the token just before it',
      role: 'read-only',
      parameters: {
        class: parameter('string', 'of the object'),
        ref: parameter('string', 'of the object'),
      },
      result: 'string',
      errors: ['HANDLE_INVALID'],
      async: false,
    }),
    get_current_id: message({
      doc: 'The generation of the last change',
      role: 'read-only',
      parameters: {},
      result: 'int',
      async: false,
    }),
    register: message({
      doc: 'Adds to what `next` tells this session of, from now on',
      role: 'read-only',
      parameters: { classes: CLASSES },
      result: 'void',
      errors: ['EVENT_SUBSCRIPTION_PARSE_FAILURE', 'OPERATION_NOT_ALLOWED'],
      async: false,
      deprecated: true,
    }),
    unregister: message({
      doc: 'Takes from what `next` tells this session of',
      role: 'read-only',
      parameters: { classes: CLASSES },
      result: 'void',
      errors: ['EVENT_SUBSCRIPTION_PARSE_FAILURE'],
      async: false,
      deprecated: true,
    }),
    next: message({
      doc: 'What changed since the last call; waits until something does, half a minute at most',
      role: 'read-only',
      parameters: {},
      result: set(EVENT),
      errors: [
        'SESSION_NOT_REGISTERED',
        'SESSION_INVALID',
        'EVENTS_LOST',
        'TOO_MANY_PENDING_TASKS',
      ],
      async: false,
      deprecated: true,
    }),
  },
});
