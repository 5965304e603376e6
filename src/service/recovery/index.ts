/** Opening the maps of write caches, in threads of their own where there are many. */
export type { Opening } from './messages.ts';
export { type RecoverMap, recoverMap } from './recover-map.ts';
export { RecoveryThreads } from './recovery-threads.ts';
