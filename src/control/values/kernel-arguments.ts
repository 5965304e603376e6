import { Fault } from '../../errors/index.ts';
import { MAX_KERNEL_ARGUMENTS_LENGTH } from '../limits.ts';

const PRINTABLE = /^[\x20-\x7e]*$/;
/**
 * What iPXE would expand, or read as the end of the command (https://ipxe.org/scripting). The boot
 * script refuses the same (src/pxe/script/kernel-command-line.ts), but there it is too late.
 */
const SCRIPT = /[$\\]|(?:^| )(?:&&|\|\||;|#)(?: |$)/;

/** @throws Fault INVALID_INPUT */
export function parseKernelArguments(value: string, field: string): string {
  const text = value.trim();
  if (text.length <= MAX_KERNEL_ARGUMENTS_LENGTH && PRINTABLE.test(text) && !SCRIPT.test(text)) {
    return text;
  }
  throw new Fault('INVALID_INPUT', `${field} cannot be put on a kernel command line`, {
    field,
    value,
    expected: `at most ${MAX_KERNEL_ARGUMENTS_LENGTH} printable ASCII characters without '$' and '\\' and the words '&&', '||', ';' and '#'`,
  });
}
