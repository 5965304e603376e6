/** The little that is asked of a file system inside an image. Paths are absolute, with `/`. */
export interface FileTree {
  /** Names in a folder; none when there is no such folder. */
  list(path: string): Promise<readonly string[]>;
  /**
   * Copies a file out, durably. Symbolic links are followed inside of the file system.
   * @param most bytes allowed
   * @throws Error when it cannot be read whole or is longer
   */
  extract(path: string, target: string, most: number): Promise<void>;
  close(): Promise<void>;
}

/** @throws Error when it is damaged or no such file system */
export type OpenFileTree = (offset: number, signal: AbortSignal) => Promise<FileTree>;
