import type {
  ChunkViolation,
  GreetingViolation,
  OptionReplyViolation,
  ReplyViolation,
} from '../wire/index.ts';

/** Every way in which a server can break the protocol so that the connection has to end. */
export type ServerViolation =
  | GreetingViolation
  | OptionReplyViolation
  | ReplyViolation
  | ChunkViolation
  | 'option-reply-code' // a reply to another option than the one asked
  | 'option-reply-unexpected' // of a type that this option does not have
  | 'option-reply-endless'
  | 'info-export-missing' // GO acknowledged without NBD_INFO_EXPORT
  | 'export-size' // beyond what a number can hold exactly
  | 'block-size' // not a power of two, or out of the document's bounds
  | 'context-duplicate'
  | 'context-not-asked'
  | 'data-after-starttls' // plain text behind the acknowledgement: an injection
  | 'reply-cookie' // of no request in flight: invented, or answered twice
  | 'reply-offset' // an extended reply that echoes another offset
  | 'reply-simple-to-read' // with structured replies
  | 'chunk-unexpected' // of a type that the command does not have
  | 'chunk-too-long'
  | 'chunk-outside-request'
  | 'chunk-overlap'
  | 'chunk-fragmented' // more than one content chunk in spite of DF
  | 'none-without-done'
  | 'read-incomplete' // success claimed, bytes missing
  | 'status-context' // a context that was not selected, or twice
  | 'status-missing' // success claimed without a chunk for every context
  | 'status-extents'; // too many, too long, or starting after the request

/** The server broke the protocol. The connection is gone; nothing more that it says can be trusted. */
export class NbdViolation extends Error {
  override readonly name = 'NbdViolation';
  readonly violation: ServerViolation;

  constructor(violation: ServerViolation, detail = '') {
    super(`the NBD server broke the protocol: ${violation}${detail === '' ? '' : `: ${detail}`}`);
    this.violation = violation;
  }
}
