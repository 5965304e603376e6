/** Versions that come from another server become layers. Read first: received-layer.ts. */
export { ExistingLayer, type LayerBelow } from './layer-below.ts';
export { type FinishedLayer, ReceivedLayer, type ReceiveParts } from './received-layer.ts';
