import { Fault } from '../../errors/index.ts';
import type { Control } from '../control.ts';
import { placeOf } from '../replicas/copies-of-layer.ts';

/**
 * Layers of vDisks lie in repositories, too, and no volume says so.
 * @param repository.isOpen only those that something reads now: a detached repository keeps the others
 * @throws Fault IN_USE
 */
export function refuseLayers(
  { catalog, dataPlane }: Pick<Control, 'catalog' | 'dataPlane'>,
  { id, name, isOpen }: { readonly id: string; readonly name: string; readonly isOpen: boolean },
): void {
  const layers = isOpen
    ? [...dataPlane.layersInUse().open].flatMap((top) =>
        catalog.layers.chain(catalog.layers.resolve(top)),
      )
    : catalog.layers.all();
  const here = new Set(
    layers.filter(({ volumeId }) => placeOf(volumeId).repositoryId === id).map((layer) => layer.id),
  );
  if (here.size === 0) return;
  const what = isOpen ? 'layers that vDisks are read from now' : 'layers of vDisks';
  throw new Fault('IN_USE', `repository ${name} has ${here.size} ${what}`, {
    field: 'repository.layers',
    value: here.size,
    expected: isOpen ? 'nobody who reads them, or force' : 'none: delete the vDisks first',
  });
}
