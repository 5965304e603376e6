/** Chains of sealed layers. Read first: open-chain.ts, then chain-index.ts. */
export {
  buildChainIndex,
  buildChainIndexInTurns,
  type ChainDescription,
} from './build-chain-index.ts';
export { ChainIndex } from './chain-index.ts';
export { ChainIndexDraft } from './chain-index-draft.ts';
export { gatherChain, sourcesOf } from './gather-chain.ts';
export { type ChainBase, type ChainDifference, DifferenceMap } from './layer-maps.ts';
export { MAXIMUM_CHAIN_LAYERS } from './limits.ts';
export { type ChainLayer, type ChainOptions, openChain } from './open-chain.ts';
