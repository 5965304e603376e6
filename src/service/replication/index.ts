/** Points are copied in a thread of their own. Read first: replication-thread.ts. */
export { arrayLinks } from './array-links.ts';
export { openReplication } from './open-replication.ts';
export type { ReplicationThread, ToAllThreads } from './replication-thread.ts';
