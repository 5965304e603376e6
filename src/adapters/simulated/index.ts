/** The simulated adapter: an array in memory that can do everything. README.md: how to write an adapter. */
export { simulatedAdapter } from './simulated-adapter.ts';
export { SimulatedWorld } from './world.ts';
