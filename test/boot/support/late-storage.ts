/**
 * nfs-ganesha whose answers are late, as one process inside a laboratory's namespace. Says where it is in one line of
 * JSON, and at each SIGUSR2 how many READs of disks it was asked for; ends when it is told to leave.
 *
 *   node test/boot/support/late-storage.ts
 */
import { LateNfs } from '../../support/late-nfs.ts';
import { Ganesha } from '../../support/nfs-ganesha.ts';

const LATE_MS = 5;

const ganesha = await Ganesha.start(8);
const late = await LateNfs.start({ host: ganesha.server, port: ganesha.port }, LATE_MS);
const mount = await LateNfs.start({ host: ganesha.server, port: ganesha.mountPort }, 0);
process.once('SIGTERM', async () => {
  await late.stop();
  await mount.stop();
  await ganesha.stop();
  process.exit(0);
});
process.on('SIGUSR2', () => console.log(`reads ${late.reads}`));
console.log(
  JSON.stringify([
    ...['server=127.0.0.1', `port=${late.port}`, `mountPort=${mount.port}`],
    ...[`serverpath=${ganesha.path()}`, 'nfsversion=3'],
  ]),
);
// Until it is told to leave.
setInterval(() => undefined, 60_000);
