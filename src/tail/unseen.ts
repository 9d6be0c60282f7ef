import type { FileTable, LogFile } from "./file-table.js";
import { likelyWritten, mostWritten } from "./rate.js";
import type { Reports } from "./reports.js";

/** Counts what nobody saw: files that came and went between two looks at the directory, or while no agent ran. */
export class Unseen {
  readonly #table: FileTable;
  readonly #reports: Reports;
  readonly #nameOf: (file: LogFile) => string;
  /** The newest file of the table, when it went away: nobody knows what came and went behind it. */
  #vanished: { readonly file: LogFile; readonly grew: boolean } | undefined;

  constructor(table: FileTable, reports: Reports, nameOf: (file: LogFile) => string) {
    this.#table = table;
    this.#reports = reports;
    this.#nameOf = nameOf;
  }

  /** The newest file is gone. @param grew it was written to when it was last seen, and nobody holds it */
  vanished(file: LogFile, grew: boolean): void {
    this.#vanished = { file, grew };
  }

  /**
   * Once there is a file behind the one that vanished, others may have been between the two. Not so where no backup is newer, or one
   * that is older is still there: rotation deletes the oldest first and keeps the newest. A name that was used again in its millisecond
   * may have been so more than once.
   */
  count(): void {
    if (!this.#vanished) return;
    const { file, grew } = this.#vanished;
    const [next] = this.#table.after(file.ref.ordinal);
    if (!next) return;
    this.#vanished = undefined;
    const reused = file.rotated !== undefined && file.rotated === next.rotated;
    if (!grew && !reused && (next.base === undefined || this.#hasOlder(file))) return;
    const atMost = mostWritten(file, next);
    this.#reports.lost({ reason: "unseen", bytes: 0, ...(atMost !== undefined && { atMost }), file: file.ref.id });
    const what =
      "Audit files were deleted that nobody had seen whole; what may have been in them is counted as unseen.";
    const likely = likelyWritten(file, next);
    const howMuch = likely ? ` At the rate of before it was some ${likely} bytes, in a burst it was more.` : "";
    this.#reports.tell("unseen", this.#nameOf(next), what + howMuch);
  }

  #hasOlder({ ref }: LogFile): boolean {
    return this.#table.files.some((file) => file.ref.ordinal < ref.ordinal && file.base !== undefined && !file.gone);
  }
}
