export {
  authenticateXenUser,
  findXenUser,
  type XenUser,
} from './authenticate-xen-user.ts';
export {
  addXenUser,
  deleteXenUser,
  listXenUsers,
  showXenUser,
  updateXenUser,
} from './manage-xen-users.ts';
