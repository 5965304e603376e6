export const IMAGE_FORMATS = ['raw', 'vhd', 'tar', 'qcow2'] as const;

export type ImageFormat = (typeof IMAGE_FORMATS)[number];

/** @param name in any case; raw unless given @returns undefined: there is no such format */
export function imageFormatOf(name: string | undefined): ImageFormat | undefined {
  const wanted = (name ?? 'raw').toLowerCase();
  return IMAGE_FORMATS.find((format) => format === wanted);
}
