/**
 * What happened to objects since a generation, each object once, as it is now (xen-api xapi_event.ml, `collect_events`):
 * one that came since is added, one that was there has been changed, or is gone; one that came and went is not told.
 */
import type { ClassDescription, RecordType, ValueOf } from '../datamodel/description.ts';
import type { EVENT } from '../datamodel/event.ts';
import { recordType } from '../dispatch/implicit-messages.ts';
import type { Change } from '../objects/change-log.ts';
import type { Objects } from '../objects/objects.ts';
import type { Subscription } from './subscription.ts';

export type Event = ValueOf<typeof EVENT>;

interface EventClass {
  /** As events spell it. */
  readonly name: string;
  readonly snapshotType: RecordType;
}

/** By the name of the class. */
export type EventClasses = ReadonlyMap<string, EventClass>;

export function eventClasses(descriptions: readonly ClassDescription[]): EventClasses {
  return new Map(
    descriptions.map((description) => [
      description.name,
      { name: description.name.toLowerCase(), snapshotType: recordType(description) },
    ]),
  );
}

/** @param timestamp of all of them */
export function collectEvents(
  objects: Objects,
  classes: EventClasses,
  wanted: { readonly subscription: Subscription; readonly from: number },
  timestamp: string,
): readonly Event[] {
  const adds: Event[] = [];
  const mods: Event[] = [];
  const dels: Event[] = [];
  const { subscription, from } = wanted;
  // All of it first: what reads a record may settle what is due, and so change the log.
  for (const change of [...objects.since(from)]) {
    const eventClass = classes.get(change.className);
    if (eventClass === undefined || !subscription.has(eventClass.name, change.ref)) continue;
    const event = { id: String(change.generation), timestamp, class: eventClass.name };
    const { ref } = change;
    const value = change.deleted ? undefined : objects.find(change.className, ref);
    if (value === undefined) {
      if (wasKnown(change, from))
        dels.push({ ...event, operation: 'del', ref, snapshot: undefined });
      continue;
    }
    const snapshot = { type: eventClass.snapshotType, value };
    if (change.created > from) adds.push({ ...event, operation: 'add', ref, snapshot });
    else mods.push({ ...event, operation: 'mod', ref, snapshot });
  }
  return [...adds, ...mods, ...dels];
}

function wasKnown({ firstCreated }: Change, from: number): boolean {
  return firstCreated <= from;
}
