import { type Batch, comparePositions, type FileRef, type Position, type StoredPosition } from "../plugin/index.js";
import type { SourceState } from "./state.js";

/** Offsets [from, to) of a file. */
export interface Span {
  from: number;
  to: number;
}

/** What nobody has read between two places; from the log's beginning if `from` is undefined. */
interface Gap {
  readonly from: Position | undefined;
  readonly to: Position;
}

type Locate = (stored: StoredPosition) => Position | undefined;

/**
 * What was ever read of a source: everything up to the high-water mark, except the gaps behind sinks that take the newest first. So
 * that what is read again is not counted again.
 */
export class Seen {
  #highWater: Position | undefined;
  /** In the order of the log. */
  #gaps: Gap[] = [];
  /** New spans that lanes are working on: another lane that reads the same meanwhile does not count them. */
  readonly #claims = new Map<Batch, { readonly file: FileRef; readonly spans: readonly Span[] }>();

  constructor({ highWater, gaps = [] }: Pick<SourceState, "highWater" | "gaps">, locate: Locate) {
    this.#highWater = highWater && locate(highWater);
    for (const { from, to } of gaps) {
      const end = locate(to);
      // Gone from the front: what is left of the gap begins the log.
      if (end) this.#gaps.push({ from: from && locate(from), to: end });
    }
  }

  /** How far it was ever read. */
  get highWater(): Position | undefined {
    return this.#highWater;
  }

  /** A lane begins at a place beyond what was read. */
  jump(to: Position): void {
    if (!isBefore(this.#highWater, to)) return;
    this.#gaps.push({ from: this.#highWater, to });
    this.#highWater = to;
  }

  /** What of a batch was never read before, in order; it is its lane's until {@link add}. */
  claim(batch: Batch): Span[] {
    const others = [...this.#claims.values()].filter(({ file }) => file.ordinal === batch.file.ordinal);
    const spans = others.reduce((left, { spans }) => without(left, spans), this.#fresh(batch));
    this.#claims.set(batch, { file: batch.file, spans });
    return spans;
  }

  #fresh({ file, offset, end }: Batch): Span[] {
    const start = { file, offset };
    const unread: Gap[] = [...this.#gaps];
    if (isBefore(this.#highWater, end)) unread.push({ from: this.#highWater, to: end });
    return unread
      .filter(({ from, to }) => isBefore(from, end) && isBefore(start, to))
      .map(({ from, to }) => ({
        from: isBefore(from, start) ? offset : from!.offset,
        to: isBefore(to, end) ? to.offset : end.offset,
      }));
  }

  /** A batch was read. */
  add(batch: Batch): void {
    const { file, offset, end } = batch;
    this.#claims.delete(batch);
    const start = { file, offset };
    if (isBefore(this.#highWater, end)) this.#highWater = end;
    this.#gaps = this.#gaps.flatMap((gap) => {
      if (!isBefore(gap.from, end) || !isBefore(start, gap.to)) return [gap];
      const before = isBefore(gap.from, start) ? [{ from: gap.from, to: start }] : [];
      return isBefore(end, gap.to) ? [...before, { from: end, to: gap.to }] : before;
    });
  }

  /** Nobody reads what lies before `oldest` any more. */
  forget(oldest: Position | undefined): void {
    if (oldest) this.#gaps = this.#gaps.filter(({ to }) => isBefore(oldest, to));
  }

  /** To be written down with the source's state. */
  stored(): Pick<SourceState, "highWater" | "gaps"> {
    const gaps = this.#gaps.map(({ from, to }) => ({ ...(from && { from: stored(from) }), to: stored(to) }));
    return {
      ...(this.#highWater && { highWater: stored(this.#highWater) }),
      ...(gaps.length > 0 && { gaps }),
    };
  }
}

/** Spans less others. */
const without = (spans: readonly Span[], others: readonly Span[]): Span[] =>
  others.reduce<Span[]>((left, other) => left.flatMap((span) => less(span, other)), [...spans]);

function less({ from, to }: Span, other: Span): Span[] {
  const parts = [
    { from, to: Math.min(to, other.from) },
    { from: Math.max(from, other.to), to },
  ];
  return parts.filter((part) => part.from < part.to);
}

/** True if `a` lies before `b`; undefined lies before everything. */
const isBefore = (a: Position | undefined, b: Position): boolean => !a || comparePositions(a, b) < 0;

const stored = ({ file, offset }: Position): StoredPosition => ({ file: file.fingerprint, offset });
