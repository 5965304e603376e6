/**
 * nfs-ganesha behind the router of netem-router.ts, with counted-nfs.ts at its door, as a process inside the router's
 * namespace. Says in one line of JSON how a repository on it is set; passes SIGUSR2 and SIGHUP on to the door; ends when it
 * is told to leave.
 *
 *   node test/boot/support/far-storage.ts
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { startRoutedGanesha } from './route-ganesha.ts';

const DOOR = new URL('./counted-nfs.ts', import.meta.url).pathname;

const ganesha = await startRoutedGanesha('joined');
const { namespace, server, mountPort } = ganesha;
const inside = ['netns', 'exec', namespace, process.execPath];
const door = spawn('ip', [...inside, DOOR, server, String(ganesha.port)], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
async function stop(): Promise<void> {
  const left = door.exitCode === null ? once(door, 'exit') : undefined;
  door.kill('SIGTERM');
  await left;
  await ganesha.stop();
}
process.once('SIGTERM', async () => {
  await stop();
  process.exit(0);
});
let said = '';
door.stdout.on('data', (piece: Buffer) => {
  said += piece;
  if (port !== undefined) process.stdout.write(piece);
});
let port: string | undefined;
try {
  while (!/^port \d+$/m.test(said)) await Promise.race([once(door.stdout, 'data'), failed()]);
  port = /^port (\d+)$/m.exec(said)?.[1];
} catch (error) {
  await stop();
  throw error;
}
for (const signal of ['SIGUSR2', 'SIGHUP'] as const) process.on(signal, () => door.kill(signal));
console.log(
  JSON.stringify([
    ...[`server=${server}`, `port=${port}`, `mountPort=${mountPort}`],
    ...[`serverpath=${ganesha.path()}`, 'nfsversion=3'],
  ]),
);

async function failed(): Promise<never> {
  const [code] = await once(door, 'exit');
  throw new Error(`the door left with ${code}`);
}
