import { capabilities } from '../../repositories/index.ts';

export const TGT_CAPABILITIES = capabilities({
  ...{ discover: 'yes', thin: 'yes', thick: 'yes', resizeOffline: 'yes', immutableId: 'yes' },
  ...{ maskIqn: 'yes', chap: 'yes', mutualChap: 'yes', chapEnforced: 'yes' },
  ...{ multiAttach: 'yes', multiPath: 'yes', sessionInfo: 'yes', terminateSessions: 'yes' },
  fence: 'yes',
});
