/** The name of this adapter in a locator. */
export const NFS_ADAPTER = 'nfs';
