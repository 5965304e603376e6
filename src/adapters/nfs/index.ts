/** The NFS adapter. Read first: adapter.ts; then share/share.ts (a server's folder) and file/data-file.ts (the data path). */
export { nfsAdapter } from './adapter.ts';
