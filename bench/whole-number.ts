/** The value of an option of the command line. @throws Error that names it */
export function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`--${name} takes a whole number from 1, not '${text}'`);
  }
  return value;
}
