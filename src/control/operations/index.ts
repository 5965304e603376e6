/** One use case a file; each takes the control, and an input that its schema describes. */
export { addMachine } from './add-machine.ts';
export { openBootMedium } from './boot-media.ts';
export { type BootAnswer, bootOrWait } from './boot-or-wait.ts';
export * from './boots/index.ts';
export {
  addCollection,
  deleteCollection,
  listCollections,
  showCollection,
  updateCollection,
} from './collections.ts';
export {
  type BootClientInput,
  type BootDecision,
  decideBoot,
  type LocalBootReason,
} from './decide-boot.ts';
export { deleteMachine } from './delete-machine.ts';
export { deleteVdisk } from './delete-vdisk.ts';
export { setEnrolmentPolicy, showEnrolmentPolicy } from './enrolment-policy.ts';
export { approveEnrolment, listEnrolments, refuseEnrolment } from './enrolments.ts';
export { type IdentityAnswer, identityText } from './identity.ts';
export { importVdisk } from './import-vdisk.ts';
export { deleteLease, listLeases, loadLeases, saveLease } from './leases.ts';
export { listEvents } from './list-events.ts';
export { listMachines } from './list-machines.ts';
export { listVdisks } from './list-vdisks.ts';
export { machinesUp } from './machines-up.ts';
export { mayReadLayer } from './may-read-layer.ts';
export { type NotedStage, noteBootStage } from './note-boot-stage.ts';
export {
  clearPersonality,
  type PersonalityOwner,
  personalityOf,
  personalityText,
  replacePersonality,
  showPersonality,
  updatePersonality,
} from './personality.ts';
export * from './replication/index.ts';
export { type BootPlan, requestBoot } from './request-boot.ts';
export { resetMachine } from './reset-machine.ts';
export { showMachine } from './show-machine.ts';
export { showStatus } from './show-status.ts';
export { showVdisk } from './show-vdisk.ts';
export * from './storage/index.ts';
export { cancelTask, listTasks, showTask } from './tasks.ts';
export * from './transfers/index.ts';
export { updateMachine, updateMachines } from './update-machine.ts';
export * from './vdisk-replicas/index.ts';
export * from './versions/index.ts';
export * from './xen-users/index.ts';
