import { type Field, parseTime, ROW_HEADER, ROW_WORDS } from "../plugin/index.js";
import type { Rows } from "./rows.js";

/** Fills the NaN rows of a column with the epoch milliseconds of a time field; a row without such a time stays NaN. */
export function fillTimes(column: Float64Array, { table, count }: Rows, bytes: Uint8Array, field: Field): void {
  let span = ROW_HEADER + 2 * field;
  for (let row = 0; row < count; row++, span += ROW_WORDS) {
    if (table[span] === 0 || !Number.isNaN(column[row])) continue;
    column[row] = parseTime(bytes, table[span] + 1, table[span + 1] - 1);
  }
}
