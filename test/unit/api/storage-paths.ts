/** Routes of storage: storage.test.ts tries every one of them. @param path as OpenAPI has it, or with its method before it */
export function isStoragePath(path: string): boolean {
  return /^([A-Z]+ )?\/v1\/(repositor(y|ies)|hosts|volume-groups|snapshot-schedules|hooks)\b/.test(
    path,
  );
}

export function isReplicationPath(path: string): boolean {
  return /^\/v1\/replications\b/.test(path);
}
