/** What has been read and written since the service started. All only grow; after a restart they begin at 0. */
export interface Transferred {
  /** Bytes. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly readRequests: number;
  readonly writeRequests: number;
}

/** The service implements it: the threads that serve volumes count. Nothing is asked of anybody: what is known now. */
export interface ThroughputPort {
  /** Of the volumes and snapshots of each repository that is attached together, by its id. */
  ofRepositories(): ReadonlyMap<string, Transferred>;
  /** Of versions of vDisks that are read as they are, by others than the machines that have write caches here. */
  ofLayers(): Transferred;
  /**
   * Of volumes, snapshots, and layers of vDisks that are read as they are, by their ids: of those that were read or
   * written since the start. One may begin at 0 again when it was not open for long; it may be missing then, too.
   */
  ofDisks(): ReadonlyMap<string, Transferred>;
}
