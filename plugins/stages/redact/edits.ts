/** The replacement of a span of bytes by JSON text. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** The bytes of the text, if they exist already. */
  readonly bytes?: Buffer | undefined;
  /** Gives way to any other edit that it overlaps with. */
  readonly weak?: boolean;
}

/** Collects replacements of spans of some bytes before they are made. */
export class Edits {
  readonly #edits: Edit[] = [];

  get length(): number {
    return this.#edits.length;
  }

  /**
   * Replaces [start, end) by JSON text.
   * @param bytes the bytes of the text, if they exist already
   */
  add(start: number, end: number, text: string, bytes?: Buffer): void {
    this.#edits.push({ start, end, text, bytes });
  }

  /** The same for an edit that may overlap with others: an edit that contains another one wins; of equal ones, the first. */
  overlay(start: number, end: number, text: string, weak = false): void {
    this.#edits.push({ start, end, text, weak });
  }

  /** Drops all but the first `length` edits. */
  truncate(length: number): void {
    this.#edits.length = length;
  }

  /** Returns the edits in rising order, and forgets them. */
  drain(): Edit[] {
    const edits = this.#edits.splice(0);
    for (let i = 1; i < edits.length; i++) {
      if (edits[i - 1].end > edits[i].start) return withoutOverlaps(edits);
    }
    return edits;
  }

  /** The text of the bytes after the edits. */
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

/** Drops overlapped edits. Of two that overlap, one always contains the other. */
function withoutOverlaps(edits: Edit[]): Edit[] {
  edits.sort((a, b) => a.start - b.start || b.end - a.end || Number(a.weak ?? false) - Number(b.weak ?? false));
  const kept: Edit[] = [];
  for (const edit of edits) {
    const last = kept[kept.length - 1];
    if (last === undefined || edit.start >= last.end) kept.push(edit);
    else if (last.weak && !edit.weak) kept[kept.length - 1] = edit;
  }
  return kept;
}
