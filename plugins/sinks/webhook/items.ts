import { type ByteWriter, type EventView, NEWLINE } from "../../../src/plugin/index.js";
import type { Format } from "./format.js";
import { toldMatches } from "./selected.js";

/** One event as it waits in a request. */
export interface Item {
  id: string;
  /** What is posted of it, in order. */
  messages: Uint8Array[];
}

// An item is lines, which begin with what they are: its id, or a message. Audit events come from lines: no newline is in them.
const ID = 0x3d; // =
const MESSAGE = 0x2b; // +

export function writeItem(out: ByteWriter, event: EventView, format: Format): void {
  const line = (mark: number, write: () => void) => {
    out.byte(mark);
    write();
    out.byte(NEWLINE);
  };
  line(ID, () => event.writeId(out));
  if (format.of === "event") line(MESSAGE, () => format.write(event, out));
  else for (const match of toldMatches(event)) line(MESSAGE, () => format.write(event, match, out));
}

export function items(body: Uint8Array): Item[] {
  const found: Item[] = [];
  for (let start = 0; start < body.length; ) {
    const end = body.indexOf(NEWLINE, start);
    const bytes = body.subarray(start + 1, end);
    if (body[start] === ID) found.push({ id: Buffer.from(bytes).toString("latin1"), messages: [] });
    else found[found.length - 1].messages.push(bytes);
    start = end + 1;
  }
  return found;
}
