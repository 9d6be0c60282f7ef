import { StoredEvent } from "../../src/pipeline/stored-event.js";
import { ByteWriter, type EventView } from "../../src/plugin/index.js";

/** The event as a sink gets it when it was refused, and when its dead letter is replayed. */
export function stored(event: EventView): EventView {
  const letter = { id: event.id(), sink: "", reason: "", time: "", attempts: 1 };
  const line = written((out) => event.writeLine(out));
  const members = written((out) => event.writeMembers(out));
  return StoredEvent.of({ ...letter, line, members })!;
}

function written(write: (out: ByteWriter) => void): string {
  const out = new ByteWriter();
  write(out);
  return Buffer.from(out.view()).toString();
}
