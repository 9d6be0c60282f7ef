import type { z } from "zod";
import type { Host, Zod } from "./host.js";
import type { ByteRange, FileRef, Position, StoredPosition } from "./position.js";

/** Where a reader starts. */
export type StartPoint =
  | { at: "beginning" }
  | { at: "end" }
  /** Epoch milliseconds: from the first event at or after it. */
  | { at: "time"; time: number }
  /** `done`: what lies beyond it and was delivered; it is not lost if it is gone. */
  | { at: "position"; position: StoredPosition; done?: readonly ByteRange[] };

/** Whole lines of one file. */
export interface Chunk {
  /** Usually the buffer that was given; the source's own spare if one line is larger than that. */
  readonly bytes: Uint8Array;
  /** Bytes that count: whole lines, the last one with its newline (or the last of a finished file, without). */
  readonly length: number;
  readonly file: FileRef;
  /** Offset of `bytes[0]` in the decompressed file. */
  readonly offset: number;
  /**
   * Set when the chunk stands for one line longer than `maxLine`: `bytes[0, length)` is then what a {@link LineExtractor} has
   * kept of it, nothing if it is no event.
   */
  readonly oversized?: OversizedLine;
  /** The chunk begins with the whole event that was found at the end of a torn line longer than `maxLine`. */
  readonly salvaged?: boolean;
}

/** A line longer than `maxLine`. */
export interface OversizedLine {
  /** Bytes of the file that it spans, newline included. */
  readonly skipped: number;
  /** Its bytes without the newline. */
  readonly length: number;
  /** SHA-256 of those, hex. */
  readonly sha256: string;
  /** Members that are not in what was kept of it, by path; `other` for what has no name among the fields. */
  readonly dropped?: readonly string[];
  /** It is what stands before a whole event on a torn line. */
  readonly torn?: boolean;
}

/** What is in a line longer than `maxLine`: an event without its bodies, or a whole event that begins at an offset of it. */
export type ExtractedLine =
  | { readonly kind: "event"; readonly bytes: Uint8Array; readonly dropped: readonly string[] }
  | { readonly kind: "torn"; readonly at: number };

/** Finds the event in a line that is too long to be held, in bounded memory. */
export interface LineExtractor {
  /** Takes the next bytes of the line. */
  add(bytes: Uint8Array): void;
  /** The line has ended: what was in it, undefined if that is no event. */
  end(): ExtractedLine | undefined;
}

/** One stream over a log from a position on. Several may run side by side, each with its own descriptors. */
export interface Reader {
  /**
   * Fills `into` with whole lines and resolves as soon as there is at least one; waits for more at the live edge.
   * Resolves to undefined when `limit` is reached exactly, when the log has ended (`once`), or on `signal`.
   * A chunk never reaches beyond `limit` and never spans two files.
   */
  next(into: Uint8Array, options?: { limit?: Position; signal?: AbortSignal }): Promise<Chunk | undefined>;
  /** Gives the last `count` bytes of the last chunk again. */
  unread(count: number): void;
  /** Where the next chunk starts; undefined before the first complete line of an empty log. */
  position(): Position | undefined;
  /** True if nothing more is to be read at this moment. */
  atEnd(): boolean;
  close(): Promise<void>;
}

/** How far behind a cursor is. */
export interface Lag {
  bytes: number;
  /** Seconds between the event time at the cursor's file and now; 0 when nothing is unread. */
  seconds: number;
}

/** Bytes that are gone. Exact where `reason` is not "unseen". */
export interface Loss {
  reason: "deleted" | "unreadable" | "overwritten" | "unseen";
  /** Bytes; the lower bound under "unseen". */
  bytes: number;
  /** Only under "unseen": an upper bound, if one is known. */
  atMost?: number;
  file: string;
}

/** A log, open. */
export interface Source {
  /** Opens a stream. Readers of one source share what is known of its files. */
  reader(start: StartPoint): Promise<Reader>;
  /** The stored position as a place in this log; undefined if its file is gone (then see `onLoss`). */
  locate(stored: StoredPosition): Position | undefined;
  /** No event that is in the log at this moment lies at or after it; undefined if the log is empty. */
  end(): Position | undefined;
  /** Unread bytes and seconds behind a position. */
  lag(position: Position | undefined): Lag;
  /** JSON to keep across restarts: the file table from the oldest needed position on. */
  state(oldest: Position | undefined): object;
  /** It is written down where each sink begins: what comes from now on is theirs. A source that takes events in takes none before. */
  begin?(): void;
  /** Everything before `oldest` is acknowledged by every sink, and that is written down: it can be forgotten. */
  release?(oldest: Position): void;
  /** Sets the source's own gauges; called before they are shown. */
  measure?(): void;
  /** Called when `state` has something new that no reading has brought about: a rotation that was seen. */
  onChange?: () => void;
  /** Called for each loss when it is found, once. */
  onLoss: (loss: Loss) => void;
  close(): Promise<void>;
}

export interface SourceContext extends Host {
  /** What `state` returned last time, if anything. */
  readonly restored: object | undefined;
  /** Read what is there, then end. */
  readonly once: boolean;
  /** Longest line that is handed out whole, bytes; a longer one is an {@link Chunk.oversized} chunk. */
  readonly maxLine: number;
  /** For a line longer than that: finds the event in it. */
  extractor(): LineExtractor;
  /** A directory of the source's own under the state directory (0700), made when asked for. */
  stateDirectory(): string;
}

export interface SourcePlugin<Options extends z.ZodObject = z.ZodObject> {
  readonly kind: "source";
  readonly name: string;
  options(zod: Zod): Options;
  open(options: z.infer<Options>, context: SourceContext): Source | Promise<Source>;
}

/** Gives a source plugin its types. */
export const defineSource = <Options extends z.ZodObject>(plugin: SourcePlugin<Options>): SourcePlugin<Options> =>
  plugin;
