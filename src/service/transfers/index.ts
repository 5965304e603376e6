/** Versions that leave the service and come to it. Read first: transfer-store.ts. */
export { TransferStore } from './transfer-store.ts';
