import { type Call, type Implementation, implement } from '../../call.ts';
import { EVENT_CLASS } from '../../datamodel/event.ts';
import type { EventCall, Events } from '../../events/events.ts';

export function eventMessages(events: Events): Implementation {
  return implement(EVENT_CLASS, {
    from: (call, { classes, token, timeout }) =>
      events.from(eventCall(call), classes, token, timeout),
    inject: (_call, given) => events.inject(given.class, given.ref),
    get_current_id: () => events.currentId(),
    register: ({ caller }, { classes }) => events.register(caller.session, classes),
    unregister: ({ caller }, { classes }) => events.unregister(caller.session, classes),
    next: (call) => events.next(eventCall(call)),
  });
}

function eventCall({ caller: { session }, signal, gone }: Call): EventCall {
  return { session, signals: gone === undefined ? [signal] : [signal, gone] };
}
