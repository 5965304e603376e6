import { ArrayError, Fault } from '../errors/index.ts';
import {
  type ArrayVolume,
  everyVolume,
  type Volume,
  type VolumeControl,
} from '../repositories/index.ts';
import type { ArrayVolumes, RepositoryPorts } from './array-volumes.ts';
import { roundedSize } from './overlay-volumes.ts';

/**
 * An array as what layers and overlays need of a repository: a volume's id is its tag. What is created stays a
 * leftover until whoever records it says that it is kept (ArrayVolumes).
 */
export function volumesOf(ports: RepositoryPorts, arrays: ArrayVolumes): VolumeControl {
  const { array } = ports;
  const find = async (id: string): Promise<ArrayVolume> => {
    const found = await array.findVolume({ tag: id });
    if (found !== undefined) return found;
    throw noVolume(id);
  };
  return {
    createVolume: async ({ id, size }) => {
      if ((await array.findVolume({ tag: id })) !== undefined) {
        throw new Fault('ALREADY_EXISTS', `there is a volume ${id}`, {
          field: 'volume',
          value: id,
        });
      }
      const name = `layer-${id}`;
      const volume = { tag: id, name, size: roundedSize(ports, size), thin: true };
      return told(await arrays.create(ports, volume));
    },
    deleteVolume: async (id) => {
      const found = await array.findVolume({ tag: id });
      arrays.doomed(id, ports.repositoryId);
      // Also of what is not there: it was a leftover until now, or may still come.
      await arrays.delete(ports, id);
      if (found === undefined) throw noVolume(id);
    },
    showVolume: async (id) => told(await find(id)),
    listVolumes: async () => {
      const volumes: Volume[] = [];
      for await (const volume of everyVolume(array, { ownedOnly: true }))
        volumes.push(told(volume));
      return volumes;
    },
    space: () => array.space(),
  };
}

function noVolume(id: string): Fault {
  return new Fault('NOT_FOUND', `there is no volume ${id}`, { field: 'volume', value: id });
}

function told({ ref, tag, size, allocated, locator }: ArrayVolume): Volume {
  if (tag === undefined) throw new ArrayError('BACKEND_BUG', `volume ${ref.name} has no tag`);
  return { id: tag, size, allocated: allocated ?? size, locator };
}
