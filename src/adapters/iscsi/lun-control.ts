/**
 * The control port of a repository on one LUN: its volumes are carved out of it, its health is also that of the paths,
 * and it knows when the array has made the LUN larger.
 */
import {
  type ArrayControl,
  type ArrayHealth,
  type ArrayInfo,
  type CallOptions,
  type CarvedControl,
  type CreateVolume,
  capabilities,
  type HealthState,
} from '../../repositories/index.ts';
import type { OpenLun } from './iscsi-lun.ts';

type Request<Method extends keyof ArrayControl> = ArrayControl[Method] extends (
  request: infer R,
  ...rest: never[]
) => unknown
  ? R
  : never;

const WORSE: readonly HealthState[] = ['good', 'unknown', 'degraded', 'failed'];

/** What was seen of the LUN since it was attached. */
export interface LunNews {
  /** Bytes, once it has grown. */
  grownTo: number | undefined;
}

export class LunControl implements ArrayControl {
  readonly info: ArrayInfo;
  readonly snapshots = undefined;
  readonly clones = undefined;
  readonly masking = undefined;
  readonly replication = undefined;
  readonly #carved: CarvedControl;
  readonly #lun: Pick<OpenLun, 'health' | 'close'>;
  readonly #news: LunNews;

  constructor(carved: CarvedControl, lun: OpenLun, news: LunNews) {
    this.#carved = carved;
    this.#lun = lun;
    this.#news = news;
    const own = capabilities({
      ...carved.info.capabilities,
      discover: 'yes',
      chap: 'yes',
      mutualChap: 'yes',
      chapEnforced: lun.chapEnforced,
      multiPath: 'yes',
    });
    this.info = Object.freeze({ ...carved.info, capabilities: own });
  }

  space(): ReturnType<ArrayControl['space']> {
    return this.#carved.space();
  }

  async health(): Promise<ArrayHealth> {
    const carved = await this.#carved.health();
    const lun = this.#lun.health();
    const { grownTo } = this.#news;
    const grown =
      grownTo === undefined
        ? []
        : [
            `the LUN has ${grownTo} bytes now: detach the repository and attach it again to use them`,
          ];
    const state = WORSE[Math.max(WORSE.indexOf(carved.state), WORSE.indexOf(lun.state))];
    return {
      state: state ?? 'unknown',
      messages: [...carved.messages, ...lun.messages, ...grown],
      paths: lun.paths,
    };
  }

  createVolume(
    request: CreateVolume,
    options?: CallOptions,
  ): ReturnType<ArrayControl['createVolume']> {
    return this.#carved.createVolume(request, options);
  }

  deleteVolume(request: Request<'deleteVolume'>, options?: CallOptions): Promise<void> {
    return this.#carved.deleteVolume(request, options);
  }

  resizeVolume(
    request: Request<'resizeVolume'>,
    options?: CallOptions,
  ): ReturnType<ArrayControl['resizeVolume']> {
    return this.#carved.resizeVolume(request, options);
  }

  findVolume(by: Request<'findVolume'>): ReturnType<ArrayControl['findVolume']> {
    return this.#carved.findVolume(by);
  }

  listVolumes(query: Request<'listVolumes'>): ReturnType<ArrayControl['listVolumes']> {
    return this.#carved.listVolumes(query);
  }

  adoptVolume(): ReturnType<ArrayControl['adoptVolume']> {
    return this.#carved.adoptVolume();
  }

  releaseVolume(): Promise<void> {
    return this.#carved.releaseVolume();
  }

  answer(question: unknown): Promise<unknown> {
    return this.#carved.answer(question);
  }

  /** The carved device closes the LUN's; what is left are the sessions. */
  async close(): Promise<void> {
    try {
      await this.#carved.close();
    } finally {
      await this.#lun.close();
    }
  }
}
