/**
 * Where a zstd frame ends: zlib refuses bytes after the frame, and a compressed qcow2 cluster has
 * them. Source: RFC 8878, sections 3.1.1 and 3.1.1.2. Pure.
 */
const MAGIC = 0xfd2fb528;
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
const RAW_BLOCK = 0;
const RLE_BLOCK = 1;
const COMPRESSED_BLOCK = 2;

/** Frame_Header_Descriptor, RFC 8878 section 3.1.1.1.1. */
function frameHeaderLength(descriptor: number): number {
  const contentSizeFlag = descriptor >> 6;
  const singleSegment = ((descriptor >> 5) & 1) === 1;
  const dictionaryFlag = descriptor & 3;
  const contentSizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][contentSizeFlag] ?? 0;
  const dictionaryBytes = [0, 1, 2, 4][dictionaryFlag] ?? 0;
  return 4 + 1 + (singleSegment ? 0 : 1) + dictionaryBytes + contentSizeBytes;
}

/** @throws RangeError when `bytes` does not start with a whole frame */
export function zstdFrameLength(bytes: Buffer): number {
  if (bytes.length < 5 || bytes.readUInt32LE(0) !== MAGIC) {
    throw new RangeError('not a zstd frame');
  }
  const descriptor = bytes.readUInt8(4);
  let at = frameHeaderLength(descriptor);
  let last = false;
  while (!last) {
    if (at + BLOCK_HEADER_BYTES > bytes.length) throw new RangeError('the zstd frame is cut off');
    const header = bytes.readUIntLE(at, BLOCK_HEADER_BYTES);
    last = (header & 1) === 1;
    const type = (header >> 1) & 3;
    const size = header >> 3;
    if (type !== RAW_BLOCK && type !== RLE_BLOCK && type !== COMPRESSED_BLOCK) {
      throw new RangeError(`zstd block type ${type}`);
    }
    at += BLOCK_HEADER_BYTES + (type === RLE_BLOCK ? 1 : size);
  }
  if (((descriptor >> 2) & 1) === 1) at += CHECKSUM_BYTES;
  if (at > bytes.length) throw new RangeError('the zstd frame is cut off');
  return at;
}
