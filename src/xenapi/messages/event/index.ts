import { type Implementation, implement } from '../../call.ts';
import { EVENT_CLASS } from '../../datamodel/event.ts';
import type { Events } from '../../events/events.ts';

export function eventMessages(events: Events): Implementation {
  return implement(EVENT_CLASS, {
    from: ({ caller: { session }, signal }, { classes, token, timeout }) =>
      events.from({ session, signal }, classes, token, timeout),
    inject: (_call, given) => events.inject(given.class, given.ref),
    get_current_id: () => events.currentId(),
    register: ({ caller }, { classes }) => events.register(caller.session, classes),
    unregister: ({ caller }, { classes }) => events.unregister(caller.session, classes),
    next: ({ caller: { session }, signal }) => events.next({ session, signal }),
  });
}
