import { loadConfig, serveHelp } from './config/index.ts';
import { serve } from './serve.ts';

/**
 * `rootcast serve`: runs until SIGTERM or SIGINT, then answers what was accepted and returns 0. A
 * second signal ends the process at once.
 */
export async function runServe(args: readonly string[]): Promise<number> {
  const { config, demo, help } = loadConfig(args, process.env);
  if (help) {
    process.stdout.write(serveHelp());
    return 0;
  }
  if (demo) {
    const { runDemo } = await import('./demo/index.ts');
    return runDemo();
  }
  const service = await serve(config, process.env['ROOTCAST_TOKEN']);
  const lines = [`api ${service.http}`, `nbd ${service.nbd}`];
  if (service.xenapi !== undefined) lines.push(`xenapi ${service.xenapi}`);
  if (service.pxe !== undefined) lines.push(`boot ${service.pxe.http.baseUrl}`);
  process.stdout.write(`${lines.join('\n')}\nready\n`);

  const signalled = new Promise<undefined>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(1));
        resolve(undefined);
      });
    }
  });
  const failure = await Promise.race([signalled, service.failed]);
  await service.stop();
  if (failure === undefined) return 0;
  process.stderr.write(`rootcast: the service cannot go on: ${failure.stack ?? failure.message}\n`);
  return 1;
}
