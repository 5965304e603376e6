/** Schema 10: which boot loader a UEFI machine gets; NULL: inherited. */
const COLUMN = "boot_loader TEXT CHECK (boot_loader IN ('auto', 'ipxe', 'grub'))";

export const BOOT_LOADER = ['machines', 'collections', 'enrolment_template']
  .map((table) => `ALTER TABLE ${table} ADD COLUMN ${COLUMN};`)
  .join('\n');
