import {
  defineSource,
  delay,
  type Lag,
  type Loss,
  NEWLINE,
  type Position,
  type Source,
  type SourceContext,
  type StartPoint,
  type StoredPosition,
  size,
} from "../plugin/index.js";
import { eventTime } from "./event-time.js";
import type { LogFile } from "./file-table.js";
import { Log, type LogOptions } from "./log.js";
import { plainRead } from "./plain.js";
import { outageBudget } from "./rate.js";
import { LogReader } from "./reader.js";

/** Most bytes read to learn the time of an unread event. */
const TIME_BYTES = 64 * 1024;

/** The audit log of one kube-apiserver on disk: the active file and its backups as one stream. */
export class FileSource implements Source {
  readonly #log: Log;
  readonly #context: SourceContext;
  readonly #readers = new Set<LogReader>();

  constructor(options: LogOptions, context: SourceContext) {
    this.#log = new Log(options, context);
    this.#context = context;
  }

  async open(): Promise<this> {
    await this.#log.open();
    return this;
  }

  get onLoss(): (loss: Loss) => void {
    return this.#log.reports.onLoss;
  }

  set onLoss(listener: (loss: Loss) => void) {
    this.#log.reports.onLoss = listener;
  }

  set onChange(listener: () => void) {
    this.#log.onChange = listener;
  }

  async reader(start: StartPoint): Promise<LogReader> {
    const reader = new LogReader(this.#log, start, this.#context, () => this.#readers.delete(reader));
    this.#readers.add(reader);
    return reader.open();
  }

  locate({ file: fingerprint, offset }: StoredPosition): Position | undefined {
    const file = this.#log.table.get(fingerprint);
    if (!file) return undefined;
    if (this.#log.isReadable(file)) return { file: file.ref, offset };
    const next = this.#log.next(file.ref.ordinal);
    const complete = file.finished && offset >= file.size;
    return complete && next ? { file: next.ref, offset: 0 } : undefined;
  }

  end(): Position | undefined {
    this.#log.refresh();
    const last = this.#log.table.files.at(-1);
    return last && { file: last.ref, offset: last.finished ? Number.MAX_SAFE_INTEGER : last.size };
  }

  lag(position: Position | undefined): Lag {
    const from = position?.file.ordinal ?? Number.NEGATIVE_INFINITY;
    let bytes = 0;
    let oldest: { file: LogFile; offset: number } | undefined;
    for (const file of this.#log.table.after(from - 1)) {
      if (!this.#log.isReadable(file)) continue;
      const offset = file.ref.ordinal === from ? position!.offset : 0;
      const unread = Math.max(0, file.size - offset);
      if (unread > 0) oldest ??= { file, offset };
      bytes += unread;
    }
    return { bytes, seconds: oldest ? this.#age(oldest.file, oldest.offset) : 0 };
  }

  state(oldest: Position | undefined): object {
    this.#log.refresh();
    return this.#log.table.toState(oldest?.file.ordinal);
  }

  measure(): void {
    const { meter, name, now } = this.#context;
    const { files } = this.#log.table;
    const active = files.find(({ finished }) => !finished);
    meter.set("auditship_active_bytes", active?.size ?? 0, name);
    const budget = outageBudget(files, now());
    if (budget !== undefined) meter.set("auditship_outage_budget_seconds", budget, name);
  }

  release(oldest: Position): void {
    this.#log.release(oldest);
  }

  /** Names of the backups before a position. */
  before({ file }: Position): string[] {
    return this.#log.table.files.flatMap(({ ref, base }) => (base && ref.ordinal < file.ordinal ? [base] : []));
  }

  async close(): Promise<void> {
    await this.#log.close();
    for (const reader of [...this.#readers]) await reader.close();
  }

  /** Seconds since the event at a position, never below 0. */
  #age(file: LogFile, offset: number): number {
    const time = offset === 0 ? file.ref.time : (this.#timeAt(file, offset) ?? file.lastEvent ?? file.ref.time);
    return Math.max(0, (this.#context.now() - time) / 1000);
  }

  /** Time of the event on the line at `offset` in epoch milliseconds; undefined if a short read of a plain file does not tell. */
  #timeAt(file: LogFile, offset: number): number | undefined {
    const descriptor = this.#log.borrow(file);
    if (!descriptor) return undefined;
    const bytes = Buffer.allocUnsafe(TIME_BYTES);
    const count = plainRead(descriptor)(bytes, offset);
    descriptor.release();
    const newline = bytes.subarray(0, count).indexOf(NEWLINE);
    return newline < 0 ? undefined : eventTime(bytes.subarray(0, newline));
  }
}

/** Reads a directory of rotated audit files, or a file and the backups beside it. */
export const fileSource = defineSource({
  kind: "source",
  name: "file",
  options: (z) =>
    z.strictObject({
      path: z
        .string()
        .min(1)
        .describe("The audit log as the agent sees it, or a directory that holds one log. Its backups lie beside it."),
      pin: z
        .boolean()
        .default(false)
        .describe(
          "Keep unread files through hard links when rotation deletes them. Needs write access beside the log.",
        ),
      pinDirectory: z
        .string()
        .min(1)
        .optional()
        .describe("Directory of the links, in the same mount as the log. Default: .auditship-<source> beside the log."),
      pinSize: size()
        .prefault("1GiB")
        .describe("Most bytes of deleted files to keep; beyond that the oldest are lost."),
      maxSize: size()
        .optional()
        .describe(
          "Size at which kube-apiserver rotates (--audit-log-maxsize, in MiB). A file that outgrows it causes a warning, because rotation fails.",
        ),
      poll: delay().prefault("250ms").describe("How often the file is checked when the kernel reports no change."),
    }),
  open({ path, pin, pinDirectory, pinSize, maxSize, poll }, context) {
    const directory = pinDirectory === undefined ? undefined : context.resolve(pinDirectory);
    const pinOptions = pin ? { directory, size: pinSize } : undefined;
    return new FileSource({ path: context.resolve(path), pin: pinOptions, maxSize, poll }, context).open();
  },
});
