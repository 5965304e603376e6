/** iSCSI: the codecs of both ends, and our initiator. */
export * from './initiator/index.ts';
