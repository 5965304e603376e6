/** What has been read and written since the service started. All only grow; after a restart they begin at 0. */
export interface Transferred {
  /** Bytes. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly readRequests: number;
  readonly writeRequests: number;
}

/** The service implements it: its workers count, for each volume that they have open. */
export interface ThroughputPort {
  /** Of the volumes of each repository together, by its id. Nothing is asked of anybody: what is known now. */
  ofRepositories(): ReadonlyMap<string, Transferred>;
}
