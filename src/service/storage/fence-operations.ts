/** Cuts hosts off from an array that can do that, and lets them in again. */
import { matchAddresses, ownAddresses } from '../../base/index.ts';
import { Fault } from '../../errors/index.ts';
import type { ArrayControl, HostIdentity, MaskingControl } from '../../repositories/index.ts';
import { unsupported } from './native-snapshots.ts';

type Fencing = MaskingControl & Required<Pick<MaskingControl, 'fence' | 'unfence' | 'fenced'>>;

interface FenceParts {
  readonly repositories: {
    readonly initiatorName: string;
    of(repositoryId: string): { readonly array: Pick<ArrayControl, 'masking'> };
  };
  readonly newId: () => string;
}

export class FenceOperations {
  readonly #parts: FenceParts;

  constructor(parts: FenceParts) {
    this.#parts = parts;
  }

  /** @throws Fault UNSUPPORTED; INVALID_INPUT: it is this server */
  async fence(repositoryId: string, host: HostIdentity): Promise<void> {
    const masking = this.#maskingOf(repositoryId);
    this.#refuseSelf(host);
    await masking.fence({ host, opId: this.#parts.newId() });
  }

  async unfence(repositoryId: string, host: HostIdentity): Promise<void> {
    await this.#maskingOf(repositoryId).unfence({ host, opId: this.#parts.newId() });
  }

  async fenced(repositoryId: string): Promise<readonly string[]> {
    return this.#maskingOf(repositoryId).fenced();
  }

  #maskingOf(repositoryId: string): Fencing {
    const { masking } = this.#parts.repositories.of(repositoryId).array;
    if (masking !== undefined && canFence(masking)) return masking;
    throw unsupported('cut hosts off');
  }

  /** Every machine of this server would lose its disk. */
  #refuseSelf({ name, iqns, addresses }: HostIdentity): void {
    const { initiatorName } = this.#parts.repositories;
    const own =
      iqns.find((iqn) => iqn === initiatorName) ?? addresses.find(matchAddresses(ownAddresses()));
    if (own === undefined) return;
    throw new Fault('INVALID_INPUT', `host ${name} is this server: it would cut itself off`, {
      field: 'host.name',
      value: own,
      expected: 'another host',
    });
  }
}

function canFence(masking: MaskingControl): masking is Fencing {
  const { fence, unfence, fenced } = masking;
  return fence !== undefined && unfence !== undefined && fenced !== undefined;
}
