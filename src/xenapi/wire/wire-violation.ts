/** What is wrong with a body that cannot be understood at all: nobody can be told by the call's own means. */
export type WireViolationName =
  | 'malformed-xml'
  | 'document-type'
  | 'unexpected-element'
  | 'unexpected-text'
  | 'base64'
  | 'bad-number'
  | 'bad-boolean'
  | 'malformed-json'
  | 'batch'
  | 'no-call'
  | 'notification'
  | 'too-deep'
  | 'too-many-values'
  | 'name-too-long';

/** The only thing that the readers of bodies throw. Its message says nothing of the values that were sent. */
export class WireViolation extends Error {
  override readonly name = 'WireViolation';
  readonly violation: WireViolationName;

  constructor(violation: WireViolationName, message: string) {
    super(message);
    this.violation = violation;
  }
}
