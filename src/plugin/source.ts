import type { z } from "zod";
import type { Host, Zod } from "./host.js";
import type { ByteRange, FileRef, Position, StoredPosition } from "./position.js";

/** Where a reader starts. */
export type StartPoint =
  | { at: "beginning" }
  | { at: "end" }
  /** Epoch milliseconds: from the first event at or after it. */
  | { at: "time"; time: number }
  /** `done`: ranges beyond it that were delivered, and so are not lost if they are gone. */
  | { at: "position"; position: StoredPosition; done?: readonly ByteRange[] };

/** Whole lines of one file. */
export interface Chunk {
  /** Usually the given buffer; the source's own spare if a line is larger than that. */
  readonly bytes: Uint8Array;
  /** Bytes that count: whole lines, the last one with its newline (or the last of a finished file, without). */
  readonly length: number;
  readonly file: FileRef;
  /** Offset of `bytes[0]` in the decompressed file. */
  readonly offset: number;
  /**
   * Set if the chunk stands for one line longer than `maxLine`: `bytes[0, length)` is then what a {@link LineExtractor} kept of it,
   * nothing if it is not an event.
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
  /** Paths of the members that were not kept; `other` for members that are not among the fields. */
  readonly dropped?: readonly string[];
  /** It is the part of a torn line before a whole event. */
  readonly torn?: boolean;
}

/** What was found in a line longer than `maxLine`: an event without its bodies, or a whole event that begins at an offset. */
export type ExtractedLine =
  | { readonly kind: "event"; readonly bytes: Uint8Array; readonly dropped: readonly string[] }
  | { readonly kind: "torn"; readonly at: number };

/** Finds the event in a line that is too long for memory, in bounded memory. */
export interface LineExtractor {
  /** Takes the next bytes of the line. */
  add(bytes: Uint8Array): void;
  /** The line has ended: returns what was in it, undefined if that is not an event. */
  end(): ExtractedLine | undefined;
}

/** A stream over a log from a position on. Several may run side by side, each with its own descriptors. */
export interface Reader {
  /**
   * Fills `into` with whole lines and resolves as soon as there is at least one; waits for more at the live edge.
   * Resolves to undefined when `limit` is reached exactly, when the log has ended (`once`), or on `signal`.
   * A chunk never reaches beyond `limit` and never spans two files.
   */
  next(into: Uint8Array, options?: { limit?: Position; signal?: AbortSignal }): Promise<Chunk | undefined>;
  /** Puts back the last `count` bytes of the last chunk, which come again. */
  unread(count: number): void;
  /** Where the next chunk starts; undefined before the first complete line of an empty log. */
  position(): Position | undefined;
  /** True if there is nothing more to read at present. */
  atEnd(): boolean;
  close(): Promise<void>;
}

/** How far behind a cursor is. */
export interface Lag {
  bytes: number;
  /** Seconds between the event time at the cursor's file and now; 0 if nothing is unread. */
  seconds: number;
}

/** Bytes that are gone. Exact where `reason` is not "unseen". */
export interface Loss {
  reason: "deleted" | "unreadable" | "overwritten" | "unseen";
  /** Bytes; the lower bound under "unseen". */
  bytes: number;
  /** Only under "unseen": an upper bound, and no estimate; undefined if none is known. */
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
  /** Called once it is on disk where each sink begins, so that what comes from now on reaches them. A source that accepts events accepts none before. */
  begin?(): void;
  /** Everything before `oldest` is acknowledged by every sink, and that is on disk: it can be released. */
  release?(oldest: Position): void;
  /** Sets the source's own gauges; called before each scrape. */
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
