/** The bytes of one file of the log, at decompressed offsets. Its reader closes it. */
export interface ByteSource {
  /**
   * Copies the bytes from `at` on into `into` and returns how many: fewer than fit only at the file's current end. Throws {@link
   * ReplacedError} if the file is no longer the one that was opened, {@link CutError} if bytes that were read are gone, and
   * otherwise the system's error.
   */
  read(into: Uint8Array, at: number): number | Promise<number>;
  /** Bytes that are there now; undefined if only reading to the end would tell. */
  size(): number | undefined;
  /** The number of NULs that it is known to begin with. */
  readonly hole?: number;
  /** Why the file ends too early (a damaged `.gz`); known once its end was read. */
  readonly damage: string | undefined;
  close(): void;
}

/** The file under an open descriptor was truncated and written anew: its content is now another file of the log. */
export class ReplacedError extends Error {
  constructor() {
    super("The file was truncated and written anew.");
    this.name = "ReplacedError";
  }
}

/** The file was shortened, but not emptied, and may have been written to since. It still begins as before. */
export class CutError extends Error {
  constructor() {
    super("The file was cut to less than was read of it.");
    this.name = "CutError";
  }
}
