import type { Control } from '../../control.ts';
import type { SnapshotView, UpdateSnapshotInput } from '../../schemas/snapshot.ts';
import { refuseDying } from '../../storage/dying.ts';
import { snapshotSubject } from '../../storage/names.ts';
import { parseName } from '../../values/name.ts';
import { toldChanges } from '../told-changes.ts';
import { findSnapshot, refuseTaken } from './find-storage.ts';
import { snapshotView } from './snapshot-view.ts';

/** @throws Fault NOT_FOUND, ALREADY_EXISTS */
export function updateSnapshot(
  control: Control,
  repositoryName: string,
  address: string,
  input: UpdateSnapshotInput,
): SnapshotView {
  const { snapshots } = control.catalog;
  return control.change((record) => {
    const { snapshot } = findSnapshot(control.catalog, repositoryName, address);
    const {
      name = snapshot.name,
      description = snapshot.description,
      held = snapshot.held,
    } = input;
    if (name !== snapshot.name) {
      parseName(name, 'snapshot.name');
      if (snapshot.volumeId !== undefined) {
        const taken = snapshots.byName(snapshot.volumeId, name);
        refuseTaken(taken, 'snapshot', name, 'snapshot.name');
      }
    }
    refuseDying(control, snapshot.id, `snapshot ${snapshot.name}`, 'snapshot.name');
    const after = { ...snapshot, name, description, held };
    snapshots.update(after);
    record({
      kind: 'snapshot.changed',
      subject: snapshotSubject(repositoryName, after),
      message: `snapshot ${repositoryName}/${snapshot.volumeName}@${snapshot.name}: ${toldChanges(input)}`,
      data: { ...input, snapshotId: snapshot.id },
    });
    return snapshotView(control, after);
  });
}
