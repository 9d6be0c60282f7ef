import type { Annotation } from "../plugin/index.js";

/** Members of `auditship` that stages cannot set. The built-in stages' `workspace` and `redaction` are ordinary annotations. */
const RESERVED_NAMES = new Set(
  "cluster node source labels file offset item latencyMs rules matches salvaged truncated invalid id".split(" "),
);

/** The values that stages added to the rows of a batch: one column per name. */
export class Annotations {
  /** Every name used so far, in order of first use. */
  readonly columns: { readonly name: string; readonly values: (Annotation | undefined)[] }[] = [];

  set(row: number, name: string, value: Annotation): void {
    this.column(name)[row] = value;
  }

  get(row: number, name: string): Annotation | undefined {
    for (const column of this.columns) if (column.name === name) return column.values[row];
    return undefined;
  }

  /** Forgets the values of the first `rows` rows. */
  clear(rows: number): void {
    for (const { values } of this.columns) values.fill(undefined, 0, rows);
  }

  private column(name: string): (Annotation | undefined)[] {
    for (const column of this.columns) if (column.name === name) return column.values;
    if (RESERVED_NAMES.has(name)) throw new Error(`a stage cannot annotate "${name}": auditship fills it itself`);
    const values: (Annotation | undefined)[] = [];
    this.columns.push({ name, values });
    return values;
  }
}
