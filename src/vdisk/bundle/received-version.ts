import type { BundleVersion } from './bundle-head.ts';
import type { ReadableVersion, VersionSink } from './bundle-target.ts';
import type { SpooledChanges } from './change-spool.ts';

/** A version of a bundle, as it is here: made from the bundle, or here before. */
export type ReceivedVersion<Sink, Existing> =
  | {
      readonly kind: 'made';
      readonly version: BundleVersion;
      readonly sink: Sink;
    }
  | {
      readonly kind: 'existing';
      readonly version: BundleVersion;
      readonly existing: Existing;
    };

/** The same while the bundle is being read. */
export interface VersionPlan {
  readonly version: BundleVersion;
  readonly readable: ReadableVersion;
  /** Undefined: it is here already, and only read. */
  readonly sink: VersionSink | undefined;
  /** Undefined: the bundle only names it. */
  readonly changes: SpooledChanges | undefined;
}
