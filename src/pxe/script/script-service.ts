/** A machine's boot script: asks the catalog, writes the script, tells what was served. */
import { Fault } from '../../errors/index.ts';
import type { BootCatalog } from '../boot-catalog.ts';
import type { PxeReporter } from '../events.ts';
import type { ScriptContext, ScriptLanguage } from './script-language.ts';

export interface ScriptSetup {
  readonly catalog: BootCatalog;
  readonly baseUrl: string;
  readonly nbd: ScriptContext['nbd'];
  readonly report: PxeReporter;
}

/**
 * What the machine boots now, said in the language of its loader: this is a boot. Never rejects: an error
 * is a script too, for the machine's screen is where it is looked for.
 */
export async function bootScriptFor(
  { mac, network }: Pick<ScriptContext, 'mac' | 'network'>,
  language: ScriptLanguage,
  setup: ScriptSetup,
): Promise<string> {
  const { catalog, report, baseUrl, nbd } = setup;
  const context: ScriptContext = {
    mac,
    baseUrl,
    nbd,
    ...(network === undefined ? {} : { network }),
  };
  try {
    const plan = await catalog.bootRequested(mac, baseUrl);
    switch (plan.kind) {
      case 'boot': {
        const text = language.boot(plan, context);
        report({ type: 'script-served', mac, outcome: 'boot', message: undefined });
        return text;
      }
      case 'queued': {
        const message = `place ${plan.place} of ${plan.waiting}`;
        report({ type: 'script-served', mac, outcome: 'queued', message });
        return language.queued(plan, context);
      }
      case 'local-disk':
        report({ type: 'script-served', mac, outcome: 'local-disk', message: plan.reason });
        return language.localDisk(plan.reason, context);
    }
  } catch (error) {
    const message = error instanceof Fault ? error.message : 'an internal error, see the log';
    if (!(error instanceof Fault))
      report({ type: 'failure', where: 'catalog.bootRequested', error });
    report({ type: 'script-served', mac, outcome: 'error', message });
    return language.error(message, context);
  }
}
