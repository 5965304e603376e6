/** Carries out hooks: programs of the hooks folder, and calls to other servers. */
export { ServiceHooks } from './service-hooks.ts';
