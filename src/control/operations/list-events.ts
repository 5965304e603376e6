import type { Control } from '../control.ts';
import { DEFAULT_EVENTS_PER_PAGE, MAX_EVENTS_PER_PAGE } from '../limits.ts';
import type { EventView, ListEventsInput } from '../schemas/activity.ts';
import { iso } from './time-view.ts';

/** Newest first; the id of the last one is the next page's `before`. */
export function listEvents(control: Control, input: ListEventsInput = {}): readonly EventView[] {
  const events = control.catalog.events.find({
    limit: Math.min(input.limit ?? DEFAULT_EVENTS_PER_PAGE, MAX_EVENTS_PER_PAGE),
    before: input.before,
    subject: input.subject,
    byActors: input.actor === 'people',
  });
  return events.map((event) => ({ ...event, at: iso(event.at) }));
}
