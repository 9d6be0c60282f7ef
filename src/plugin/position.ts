/** One file of a log, whatever its name is at the moment; plain and gzip are the same file. */
export interface FileRef {
  /** SHA-256 of the first complete line (its first MiB at most), hex. */
  readonly fingerprint: string;
  /** Short form: base64url of the fingerprint's first 96 bits (16 characters). Stands in documents and begins `_id`. */
  readonly id: string;
  /** Place of the file in its log: a later file has a higher number. Given by the file table, kept in the state. */
  readonly ordinal: number;
  /** Epoch milliseconds of the file's first event, else of its birth: the time of what has no time of its own. */
  readonly time: number;
}

/** A place in a log; survives rename, gzip and restart. */
export interface Position {
  readonly file: FileRef;
  /** Byte offset in the decompressed file. */
  readonly offset: number;
}

/** A position as it is stored. */
export interface StoredPosition {
  /** {@link FileRef.fingerprint}. */
  file: string;
  offset: number;
}

/** Bytes [from, to) of a file, by its fingerprint. */
export interface ByteRange {
  file: string;
  from: number;
  to: number;
}

/** Negative if `a` lies before `b` in the log. */
export function comparePositions(a: Position, b: Position): number {
  return a.file.ordinal - b.file.ordinal || a.offset - b.offset;
}
