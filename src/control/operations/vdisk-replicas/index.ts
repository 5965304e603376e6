export { listVdiskReplicas } from './list-vdisk-replicas.ts';
export { replicateVdisk } from './replicate-vdisk.ts';
export { unreplicateVdisk } from './unreplicate-vdisk.ts';
