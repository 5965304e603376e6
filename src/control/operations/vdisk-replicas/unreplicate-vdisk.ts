import { Fault } from '../../../errors/index.ts';
import type { Control } from '../../control.ts';
import { servingReplicas } from '../../replicas/observe-vdisk-replicas.ts';
import { removeUnwantedCopies } from '../../replicas/remove-copies.ts';
import { findVdisk } from '../find.ts';
import { findRepository } from '../storage/find-storage.ts';

/**
 * The copies go that no other vDisk wants there: at once, or when the last who reads them has left.
 * @throws Fault NOT_FOUND (also: it has no replica there), IN_USE (the vDisk is open, and served from it)
 */
export async function unreplicateVdisk(
  control: Control,
  name: string,
  repository: string,
): Promise<void> {
  const { catalog, dataPlane } = control;
  control.change((record) => {
    const vdisk = findVdisk(catalog, name);
    const target = findRepository(catalog, repository, 'repository');
    const isServed = servingReplicas(control, vdisk.id).includes(target.id);
    if (isServed && dataPlane.vdiskConnections(vdisk.id) > 0) {
      throw new Fault('IN_USE', `vDisk ${name} is open, and served from ${repository}`, {
        field: 'vdisk.connections',
        value: dataPlane.vdiskConnections(vdisk.id),
        expected: 'no open connection, or its own repository attached',
      });
    }
    if (!catalog.replicas.unwant(vdisk.id, target.id)) {
      throw new Fault('NOT_FOUND', `vDisk ${name} has no replica in ${repository}`, {
        field: 'repository',
        value: repository,
        expected: `one of rootcast vdisk replicas ${name}`,
      });
    }
    record({
      kind: 'vdisk.unreplicated',
      subject: `vdisk/${name}`,
      message: `vDisk ${name} is not replicated to repository ${repository} any more`,
      data: { repository },
    });
  });
  await removeUnwantedCopies(control);
}
