/** Routes of storage: storage.test.ts tries every one of them. @param path as OpenAPI has it, or with its method before it */
export function isStoragePath(path: string): boolean {
  return /^([A-Z]+ )?\/v1\/(repositor(y|ies)|hosts|volume-groups|snapshot-schedules|hooks|vdisks\/[^/]+\/replicas)\b/.test(
    path,
  );
}

/** Those of replications: cli/replication.test.ts. */
export function isReplicationPath(path: string): boolean {
  return /^([A-Z]+ )?\/v1\/replications\b/.test(path);
}

/** boot-media.test.ts. */
function isBootMediaPath(path: string): boolean {
  return /^([A-Z]+ )?\/v1\/boot-media\b/.test(path);
}

/** Boots, the queue and boot traces: boots.test.ts. */
function isBootPath(path: string): boolean {
  return /^([A-Z]+ )?\/v1\/(boots\b|machines\/[^/]+\/boots$|vdisks\/.*\/trace\b)/.test(path);
}

/** xen-users.test.ts. */
function isXenUserPath(path: string): boolean {
  return /^([A-Z]+ )?\/v1\/xen-users\b/.test(path);
}

export function isTriedElsewhere(path: string): boolean {
  return (
    isStoragePath(path) ||
    isReplicationPath(path) ||
    isBootMediaPath(path) ||
    isBootPath(path) ||
    isXenUserPath(path)
  );
}
