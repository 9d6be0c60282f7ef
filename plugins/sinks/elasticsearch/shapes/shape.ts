import type { ByteWriter, EventView } from "../../../../src/plugin/index.js";

/** Writes events as documents in one shape. */
export interface Shape {
  /** True if `write` is the event's own `writeDocument`, and `day` its own, too. */
  readonly isNative?: boolean;
  /** UTC day of the index that the event belongs to, `YYYY.MM.DD`. */
  day(event: EventView): string;
  /** Appends the event's document, without a newline. */
  write(event: EventView, out: ByteWriter): void;
  /**
   * Appends the document of an event that was refused, so that it cannot be refused for what a client put into it: see
   * `SendingSink.encodeSafe`.
   */
  writeSafe(event: EventView, reason: string, out: ByteWriter): void;
}
