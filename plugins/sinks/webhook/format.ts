import type { ByteWriter, EventView, RuleMatch } from "../../../src/plugin/index.js";

/** What a receiver gets. A message is what is said of one event, or of one alert: JSON without a newline in it. */
export type Format = EventFormat | AlertFormat;

/** One message of each event. */
export interface EventFormat extends Body {
  readonly of: "event";
  write(event: EventView, out: ByteWriter): void;
}

/** One message of each match, from what `redact` left of the event. */
export interface AlertFormat extends Body {
  readonly of: "match";
  write(event: EventView, match: RuleMatch, out: ByteWriter): void;
}

interface Body {
  /** Content type of a request with one message. */
  readonly type: string;
  /** Content type of a request with many; undefined if the receiver takes only one. */
  readonly batchType?: string;
  /** The body of a request with many messages (`batch`) or with one. */
  body(messages: readonly Uint8Array[], batch: boolean): Buffer;
}

/** Messages parted by commas, with something around them. */
export function framed(before: string, messages: readonly Uint8Array[], after: string): Buffer {
  const parts: Uint8Array[] = [Buffer.from(before)];
  for (const [index, message] of messages.entries()) {
    if (index > 0) parts.push(COMMA);
    parts.push(message);
  }
  return Buffer.concat([...parts, Buffer.from(after)]);
}

const COMMA = Buffer.from(",");
