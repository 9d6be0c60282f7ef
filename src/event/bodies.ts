import { FIELD_COUNT, type Field, type OpenBody } from "../plugin/index.js";
import { SpanTape } from "./tape.js";

/** The opened bodies of a batch. Each is opened once, on demand, and they share a tape. */
export class Bodies {
  private bytes: Buffer = NO_BYTES;
  private tape = new SpanTape();
  /** By row and field; undefined for a body that cannot be opened. */
  private readonly opened = new Map<number, OpenBody | undefined>();

  /** Forgets the bodies of the previous batch. */
  reset(bytes: Buffer): void {
    this.bytes = bytes;
    this.tape.reset(bytes);
    this.opened.clear();
  }

  /** The opened value of a row's field at [start, end); undefined if it cannot be opened. */
  open(row: number, field: Field, start: number, end: number): OpenBody | undefined {
    const key = row * FIELD_COUNT + field;
    const known = this.opened.get(key);
    if (known !== undefined || this.opened.has(key)) return known;
    const body = this.append(start, end);
    this.opened.set(key, body);
    return body;
  }

  /** Opens a value on the shared tape. When that is full, a new one replaces it; bodies opened before stay valid. */
  private append(start: number, end: number): OpenBody | undefined {
    let root = this.tape.append(this.bytes, start, end);
    if (root < 0 && this.tape.count > 0) {
      this.tape = new SpanTape();
      this.tape.reset(this.bytes);
      root = this.tape.append(this.bytes, start, end);
    }
    return root < 0 ? undefined : { tape: this.tape, root };
  }
}

const NO_BYTES = Buffer.alloc(0);
