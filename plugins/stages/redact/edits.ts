/** The replacement of a span of bytes by JSON text. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Replacements of spans of some bytes, collected before they are made. */
export class Edits {
  readonly #edits: Edit[] = [];

  get length(): number {
    return this.#edits.length;
  }

  /** Replaces [start, end) by JSON text. */
  add(start: number, end: number, text: string): void {
    this.#edits.push({ start, end, text });
  }

  /** Forgets all but the first `length`. */
  truncate(length: number): void {
    this.#edits.length = length;
  }

  /** Gives the edits in rising order, and forgets them. */
  drain(): Edit[] {
    const edits = this.#edits.splice(0);
    for (let i = 1; i < edits.length; i++) {
      if (edits[i - 1].start > edits[i].start) return edits.sort((a, b) => a.start - b.start);
    }
    return edits;
  }

  /** The bytes with the edits made, as text. */
  apply(bytes: Buffer): string {
    let text = "";
    let done = 0;
    for (const edit of this.drain()) {
      text += bytes.toString("utf8", done, edit.start) + edit.text;
      done = edit.end;
    }
    return text + bytes.toString("utf8", done);
  }
}
