/** The bytes of one file of the log, in decompressed offsets. Closed by its reader. */
export interface ByteSource {
  /**
   * Copies the bytes from `at` on into `into` and returns how many: fewer than fit only at the file's present end. Throws
   * {@link ReplacedError} when the file is no longer the one that was opened, {@link CutError} when what was read of it is not
   * there any more, else the system's error.
   */
  read(into: Uint8Array, at: number): number | Promise<number>;
  /** Bytes that are there now; undefined where only reading them to the end would tell. */
  size(): number | undefined;
  /** How many NULs it is known to begin with. */
  readonly hole?: number;
  /** Why the file ends before its time (a damaged `.gz`); known once its end was read. */
  readonly damage: string | undefined;
  close(): void;
}

/** The file under an open descriptor was truncated and written anew: what is in it now is another file of the log. */
export class ReplacedError extends Error {
  constructor() {
    super("The file was truncated and written anew.");
    this.name = "ReplacedError";
  }
}

/** The file was cut, not to nothing, and may have been written on: it still begins as it did. */
export class CutError extends Error {
  constructor() {
    super("The file was cut to less than was read of it.");
    this.name = "CutError";
  }
}
