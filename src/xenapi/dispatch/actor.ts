/** Who is behind what a call does, as events and tasks of the control plane name it. */
import type { Caller } from '../call.ts';

const MARK = ' (XenAPI)';

export function xenActor({ user }: Caller, address: string): string {
  return `${user} from ${address}${MARK}`;
}

export function isXenActor(actor: string): boolean {
  return actor.endsWith(MARK);
}
