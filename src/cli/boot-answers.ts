/** What the server answers about boots, as far as the CLI shows it (answers.ts says more). */

export interface BootRule {
  readonly machine: string | null;
  readonly collection: string | null;
  readonly vdisk: string | null;
  readonly most: number | null;
  readonly priority: number | null;
}

export interface Boots {
  readonly most: number | null;
  readonly perSecond: number | null;
  readonly slotsTaken: number;
  readonly booting: readonly {
    readonly machine: string;
    readonly vdisk: string;
    readonly version: number;
    readonly startedAt: string;
    readonly stage: string | null;
  }[];
  readonly waiting: number;
  readonly queue: readonly {
    readonly place: number;
    readonly machine: string;
    readonly askedAt: string;
    readonly lastAskedAt: string;
    readonly priority: number;
  }[];
  readonly rules: readonly BootRule[];
  readonly reads: {
    readonly sharedBytesMax: number;
    readonly sharedHitBytes: number;
    readonly aheadRequests: number;
    readonly aheadBytes: number;
    readonly aheadHitBytes: number;
    readonly aheadWastedBytes: number;
    readonly restingContents: number;
  };
}

export interface BootTimeline {
  readonly vdisk: string;
  readonly version: number;
  readonly startedAt: string;
  readonly ended: string | null;
  readonly durationMs: number | null;
  readonly steps: readonly {
    readonly stage: string;
    readonly at: string;
    readonly afterMs: number;
    readonly tookMs: number;
  }[];
}

export interface Trace {
  readonly vdisk: string;
  readonly version: number;
  readonly contentId: string;
  readonly boots: readonly {
    readonly recordedAt: string;
    readonly machine: string;
    readonly units: number;
  }[];
  readonly recordsMore: boolean;
  readonly unitBytes: number;
  readonly units: number;
  readonly bytes: number;
  readonly of: number | null;
}
