export { createReplication } from './create-replication.ts';
export {
  deleteReplication,
  listReplications,
  pauseReplication,
  resumeReplication,
  showReplication,
  updateReplication,
} from './manage-replications.ts';
export { ReplicationObserver } from './observe-replications.ts';
export {
  failoverReplication,
  resyncReplication,
  reverseReplication,
  runReplication,
} from './run-replications.ts';
export { testFailover, verifyReplication } from './try-replicas.ts';
