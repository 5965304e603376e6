/** Configuration: one schema (schema.ts) from which file, environment, flags and help follow. */
export { serveHelp } from './help.ts';
export {
  type HostPort,
  loadConfig,
  type ServeArguments,
  splitHostPort,
  workerCount,
  xenapiListen,
} from './load.ts';
export type { Config } from './schema.ts';
