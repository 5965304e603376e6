import { capabilities } from '../../repositories/index.ts';

export const NFS_CAPABILITIES = capabilities({
  discover: 'yes',
  adopt: 'yes',
  thin: 'yes',
  thick: 'yes',
  resizeOnline: 'yes',
  resizeOffline: 'yes',
  multiAttach: 'yes',
  immutableId: 'yes',
});
