/**
 * The door of an NFS server (version 3), as a process in the server's network namespace: passes everything on, and counts
 * READs of disks. Says its port; at each SIGUSR2 how many READs there were, and how many of them were of what had been
 * read before; at SIGHUP it forgets what had.
 *
 *   node test/boot/support/counted-nfs.ts HOST PORT
 */
import { LateNfs } from '../../support/late-nfs.ts';

const [host = '', port = ''] = process.argv.slice(2);
const door = await LateNfs.start({ host, port: Number(port) }, 0, host);
process.on('SIGUSR2', () => console.log(`reads ${door.reads} again ${door.readsAgain}`));
process.on('SIGHUP', () => door.forget());
console.log(`port ${door.port}`);
