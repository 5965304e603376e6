/** All classes, in the order in which they are documented. */
import type { ClassDescription } from './description.ts';
import { EVENT_CLASS } from './event.ts';
import { HOST } from './host.ts';
import { HOST_METRICS } from './host-metrics.ts';
import { MESSAGE } from './message.ts';
import { NETWORK } from './network.ts';
import { PBD } from './pbd.ts';
import { PIF } from './pif.ts';
import { POOL } from './pool.ts';
import { PVS_CACHE_STORAGE } from './pvs-cache-storage.ts';
import { PVS_PROXY } from './pvs-proxy.ts';
import { PVS_SERVER } from './pvs-server.ts';
import { PVS_SITE } from './pvs-site.ts';
import { SECRET } from './secret.ts';
import { SESSION } from './session.ts';
import { SM } from './sm.ts';
import { SR } from './sr.ts';
import { TASK } from './task.ts';
import { VBD } from './vbd.ts';
import { VDI } from './vdi.ts';
import { VM } from './vm.ts';

export const DATAMODEL: readonly ClassDescription[] = [
  SESSION,
  POOL,
  HOST,
  HOST_METRICS,
  SR,
  VDI,
  PBD,
  SM,
  SECRET,
  VBD,
  VM,
  TASK,
  EVENT_CLASS,
  MESSAGE,
  NETWORK,
  PIF,
  PVS_SITE,
  PVS_SERVER,
  PVS_PROXY,
  PVS_CACHE_STORAGE,
];

/** Those that are in no database: sessions are secrets, secrets even more, and events are none. */
const KEPT_ELSEWHERE: readonly ClassDescription[] = [SESSION, SECRET, EVENT_CLASS];

/** Those whose objects are in the database. */
export const OBJECT_CLASSES = DATAMODEL.filter(
  (description) => !KEPT_ELSEWHERE.includes(description),
);
