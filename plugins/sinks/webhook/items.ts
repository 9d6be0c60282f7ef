import type { ByteWriter, EventView } from "../../../src/plugin/index.js";
import type { Format } from "./formats.js";

/** One event as it waits in a request: `<id> <bytes>\n`. Audit events come from lines, so they hold no newline. */
export interface Item {
  id: string;
  bytes: Uint8Array;
}

const SPACE = 0x20;
const NEWLINE = 0x0a;
const COMMA = Buffer.from(",");

export function writeItem(out: ByteWriter, event: EventView, format: Format): void {
  event.writeId(out);
  out.byte(SPACE);
  format.write(event, out);
  out.byte(NEWLINE);
}

export function items(body: Uint8Array): Item[] {
  const found: Item[] = [];
  for (let start = 0; start < body.length; ) {
    const space = body.indexOf(SPACE, start);
    const end = body.indexOf(NEWLINE, space);
    found.push({
      id: Buffer.from(body.subarray(start, space)).toString("latin1"),
      bytes: body.subarray(space + 1, end),
    });
    start = end + 1;
  }
  return found;
}

/** The body of one request: one by one it holds one event. */
export function frame(format: Format, all: readonly Item[], batch: boolean): Buffer {
  const [before, after] = batch ? format.batchFrame : format.frame;
  const parts: Uint8Array[] = [Buffer.from(before)];
  for (const [index, { bytes }] of all.entries()) {
    if (index > 0) parts.push(COMMA);
    parts.push(bytes);
  }
  return Buffer.concat([...parts, Buffer.from(after)]);
}
