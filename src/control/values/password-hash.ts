/**
 * Passwords as they are kept: scrypt (RFC 7914) with what it was made with, in the string format of PHC:
 * `$scrypt$ln=15,r=8,p=1$SALT$HASH` (https://github.com/P-H-C/phc-string-format). What is made anew may cost more
 * than what there is; each is compared as it says.
 */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';

const BLOCK_SIZE = 8;
const PARALLELISM = 1;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

const FORMAT =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** Not on the main thread. @param logCost 2 to its power is the cost: 1 KiB and some 3 µs each */
export async function hashPassword(password: string, logCost: number): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(password, salt, HASH_BYTES, [logCost, BLOCK_SIZE, PARALLELISM]);
  return phc(logCost, salt, hash);
}

/** Of nobody: it takes as long to compare with as one that is somebody's, and nothing is known to match. */
export function nobodysPassword(logCost: number): string {
  return phc(logCost, Buffer.alloc(SALT_BYTES), Buffer.alloc(HASH_BYTES));
}

/** Not on the main thread. @returns false also for a hash that is none */
export async function verifyPassword(password: string, kept: string): Promise<boolean> {
  const [, logCost, blockSize, parallelism, salt = '', hash = ''] = FORMAT.exec(kept) ?? [];
  if (hash === '') return false;
  const expected = Buffer.from(hash, 'base64');
  const parameters = [Number(logCost), Number(blockSize), Number(parallelism)] as const;
  const given = await derive(password, Buffer.from(salt, 'base64'), expected.length, parameters);
  return timingSafeEqual(given, expected);
}

function phc(logCost: number, salt: Buffer, hash: Buffer): string {
  const text = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');
  return `$scrypt$ln=${logCost},r=${BLOCK_SIZE},p=${PARALLELISM}$${text(salt)}$${text(hash)}`;
}

function derive(
  password: string,
  salt: Buffer,
  bytes: number,
  [logCost, blockSize, parallelism]: readonly [number, number, number],
): Promise<Buffer> {
  const cost = 2 ** logCost;
  // Composed and decomposed accents are the same password: keyboards differ.
  const normal = password.normalize('NFC');
  const options: ScryptOptions = {
    ...{ cost, blockSize, parallelization: parallelism },
    maxmem: 256 * cost * blockSize, // twice what it needs
  };
  return new Promise((resolve, reject) => {
    scrypt(normal, salt, bytes, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
