/** The san adapter: disks that the host already sees, carved into volumes. */
export { SanAdapter, type SanSurroundings } from './san-adapter.ts';
