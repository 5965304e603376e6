/** What a check of a repository's own metadata on its storage has found. */

/**
 * `note`: what a crash leaves behind; put right when the repository is attached. `repairable`: put right by a check with
 * repair, nothing is lost. `fatal`: data may be lost or shown wrongly; nothing is changed.
 */
export type FindingSeverity = 'note' | 'repairable' | 'fatal';

export interface CheckFinding {
  /** One word of the adapter's. */
  readonly code: string;
  readonly severity: FindingSeverity;
  /** A sentence for people. */
  readonly message: string;
}

export interface CheckReport {
  /** Nothing fatal, and nothing repairable that was not repaired. */
  readonly clean: boolean;
  readonly repaired: boolean;
  readonly findings: readonly CheckFinding[];
  /** undefined: the storage does not say any more whose it is. */
  readonly repositoryId: string | undefined;
  readonly owner: string | undefined;
  /** A server has it attached, or died with it. */
  readonly attached: boolean;
  readonly volumes: number;
  readonly extents: { readonly total: number; readonly mapped: number };
}

export interface CheckOptions {
  /** Write anew what is damaged in one copy, and leave out what nobody can reach. */
  readonly repair: boolean;
  /** Repair also what the storage says that a server has attached: that server is known to be dead. */
  readonly force: boolean;
  readonly signal: AbortSignal;
}
