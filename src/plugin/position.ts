/** One file of a log, whatever its current name; plain and gzip are the same file. */
export interface FileRef {
  /** SHA-256 of the first complete line (at most its first 64 MiB), hex. */
  readonly fingerprint: string;
  /** Short form: base64url of the fingerprint's first 96 bits (16 characters). It is in documents, and begins `_id`. */
  readonly id: string;
  /** Place of the file in its log: a later file has a higher number. Assigned by the file table, kept in the state. */
  readonly ordinal: number;
  /** Epoch milliseconds of the file's first event, else of its birth: stands in for events without a time. */
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
