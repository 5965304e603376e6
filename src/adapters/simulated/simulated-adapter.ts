/** Finding and attaching simulated arrays. */
import { ArrayError } from '../../errors/index.ts';
import {
  type Adapter,
  type ArrayInfo,
  type Connection,
  checkNotCancelled,
  type ProbeAnswer,
  type ProbeFinding,
} from '../../repositories/index.ts';
import { ArraySession, SIMULATED_ADAPTER } from './array-session.ts';
import {
  CLONE_DEPTH,
  NAME_LENGTH,
  SECTOR_BYTES,
  SNAPSHOTS_PER_VOLUME,
  VOLUME_BYTES_MAXIMUM,
  VOLUMES,
} from './limits.ts';
import { loadArray } from './saved-array.ts';
import { capabilitiesOf, SETTINGS, type SimulatedSettings, settingsOf } from './settings.ts';
import type { Owner, SimulatedArray } from './simulated-array.ts';
import { SimulatedControl } from './simulated-control.ts';
import { SimulatedData } from './simulated-data.ts';
import { SimulatedWorld } from './world.ts';

/** @param world where the arrays are; another one for each test */
export function simulatedAdapter(world: SimulatedWorld = new SimulatedWorld()): Adapter {
  return {
    kind: SIMULATED_ADAPTER,
    description: 'An array in memory that can do everything, for demonstrations and as a pattern.',
    settings: SETTINGS,
    probe: async (connection) => probe(world, connection),
    attach: async (connection, _parts, options) => {
      checkNotCancelled(options.signal);
      const settings = settingsOf(connection);
      const array = await arrayOf(world, settings);
      array.owner = ownerOf(array, connection, options);
      array.faults.clear();
      for (const fault of settings.faults) array.faults.add(fault);
      const session = new ArraySession(
        world,
        array,
        settings,
        infoOf(array, settings),
        array.owner,
      );
      return new SimulatedControl(session);
    },
    openData: (connection, _parts, ask) => new SimulatedData(connection, ask),
  };
}

/** The array of that name: the one that is there, the one that was saved, or a new one. */
async function arrayOf(
  world: SimulatedWorld,
  { target, capacity, folder }: SimulatedSettings,
): Promise<SimulatedArray> {
  if (folder !== undefined && world.find(target) === undefined) {
    const saved = await loadArray(target, capacity, folder);
    if (saved !== undefined) world.add(saved);
  }
  return world.array(target, capacity);
}

function probe(world: SimulatedWorld, connection: Omit<Connection, 'repositoryId'>): ProbeAnswer {
  if (connection.settings['target'] === undefined) {
    const found = world.names.map((name) => finding(name, world.find(name)));
    return { step: 'system', choose: 'target', found };
  }
  const settings = settingsOf(connection);
  const { target } = settings;
  const found = [finding(target, world.find(target))];
  return { step: 'ready', choose: undefined, found, capabilities: capabilitiesOf(settings) };
}

function finding(name: string, array: SimulatedArray | undefined): ProbeFinding {
  const known = {
    value: name,
    description: array === undefined ? `${name}, not made yet` : `${name}, a simulated array`,
    settings: { target: name },
  };
  if (array === undefined) return known;
  const size = array.pool.capacityBytes;
  const { owner } = array;
  return owner === undefined
    ? { ...known, size }
    : { ...known, size, holds: { repositoryId: owner.repositoryId } };
}

/** @throws ArrayError ALREADY_MANAGED, NOT_FOUND, EXCLUSIVE_ATTACHED */
function ownerOf(
  array: SimulatedArray,
  connection: Connection,
  options: { readonly create?: boolean; readonly takeOver?: boolean },
): Owner {
  const { name, owner, volumes } = array;
  const { repositoryId, initiatorName: server } = connection;
  if (owner === undefined) {
    if (options.create !== true) {
      throw new ArrayError('NOT_FOUND', `array ${name} does not hold the repository`);
    }
    if (volumes.size > 0) throw new ArrayError('ALREADY_MANAGED', `array ${name} is not empty`);
    return { repositoryId, server, epoch: 1 };
  }
  if (owner.repositoryId !== repositoryId) {
    throw new ArrayError('ALREADY_MANAGED', `array ${name} holds another repository`, {
      refs: [owner.repositoryId],
    });
  }
  if (owner.server === server) return owner;
  if (options.takeOver !== true) {
    throw new ArrayError('EXCLUSIVE_ATTACHED', `array ${name} is attached by another server`, {
      refs: [owner.server],
    });
  }
  array.sessions.endAll();
  return { repositoryId, server, epoch: owner.epoch + 1 };
}

function infoOf(array: SimulatedArray, settings: SimulatedSettings): ArrayInfo {
  return Object.freeze({
    vendor: 'Rootcast',
    product: 'Simulated array',
    version: '1',
    serial: array.name,
    capabilities: capabilitiesOf(settings),
    limits: Object.freeze({
      volumes: VOLUMES,
      snapshotsPerVolume: SNAPSHOTS_PER_VOLUME,
      cloneDepth: CLONE_DEPTH,
      sizeGranularity: SECTOR_BYTES,
      sizeMinimum: SECTOR_BYTES,
      sizeMaximum: VOLUME_BYTES_MAXIMUM,
      nameLength: NAME_LENGTH,
    }),
  });
}
