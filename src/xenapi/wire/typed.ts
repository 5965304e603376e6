import type { ApiType } from '../datamodel/description.ts';

/**
 * A value that says its type itself, and may stand wherever a struct is declared: the snapshot of an event is a
 * record of any class.
 */
export class Typed {
  readonly type: ApiType;
  readonly value: unknown;

  constructor(type: ApiType, value: unknown) {
    this.type = type;
    this.value = value;
  }
}
