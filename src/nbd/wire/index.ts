/** The pure codec of NBD, both directions. Numbers of the protocol: constants.ts. */
export * from './chunk.ts';
export * from './errno.ts';
export * from './greeting.ts';
export * from './option.ts';
export * from './option-reply.ts';
export * from './reply.ts';
export * from './request.ts';
export * from './uint64.ts';
export * from './whole-read.ts';
