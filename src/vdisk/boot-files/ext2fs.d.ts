/** The part of npm's ext2fs that we use; it ships no types. */
declare module 'ext2fs' {
  export interface Ext2Disk {
    read(buffer: Buffer, bufferOffset: number, length: number, offset: number): Promise<unknown>;
    write(): Promise<void>;
    discard(): Promise<void>;
    flush(): Promise<void>;
  }

  export interface Ext2FileSystem {
    readdir(path: string): Promise<string[]>;
    open(path: string, flags: string): Promise<{ readonly fd: number }>;
    fstat(fd: number): Promise<{ readonly size: number; isFile(): boolean }>;
    read(
      fd: number,
      buffer: Buffer,
      offset: number,
      length: number,
      position: number,
    ): Promise<{ readonly bytesRead: number }>;
    close(fd: number): Promise<void>;
  }

  interface Library {
    mount(disk: Ext2Disk, offset: number): Promise<{ readonly promises: Ext2FileSystem }>;
  }
  const library: Library;
  export default library;
}
