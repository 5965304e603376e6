/** Simulated arrays for tests: each in a world of its own. */
import { SimulatedWorld, simulatedAdapter } from '../../src/adapters/simulated/index.ts';
import type {
  AdapterParts,
  ArrayControl,
  AskControl,
  Connection,
  SettingValue,
  VolumeData,
} from '../../src/repositories/index.ts';

export const QUIET: AdapterParts = {
  log: { info: () => {}, warn: () => {}, error: () => {} },
  clock: () => performance.now(),
};

export const INITIATOR = 'iqn.2026-01.dev.rootcast:this-host';

export class SimulatedPeers {
  readonly world = new SimulatedWorld();
  readonly #adapter = simulatedAdapter(this.world);

  connection(
    settings: Readonly<Record<string, SettingValue>> = {},
    secrets: Readonly<Record<string, string>> = {},
  ): Connection {
    const all = { target: 'one', ...settings };
    return {
      repositoryId: `repository-${all.target}`,
      settings: all,
      secrets,
      initiatorName: INITIATOR,
    };
  }

  async attach(
    settings: Readonly<Record<string, SettingValue>> = {},
    secrets: Readonly<Record<string, string>> = {},
  ): Promise<{ control: ArrayControl; data: VolumeData }> {
    const connection = this.connection(settings, secrets);
    const create = this.world.find(String(connection.settings['target']))?.owner === undefined;
    const { signal } = new AbortController();
    const control = await this.#adapter.attach(connection, QUIET, { create, signal });
    return { control, data: this.#adapter.openData(connection, QUIET, askOf(control)) };
  }
}

/** As between two threads: nothing crosses but what can be cloned. */
export function askOf(control: ArrayControl): AskControl {
  return async (question) => {
    if (control.answer === undefined) throw new Error('this array answers no questions');
    return structuredClone(await control.answer(structuredClone(question)));
  };
}
