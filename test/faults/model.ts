import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { z } from "zod";
import type { Chunk, Loss, Reader, Source, StartPoint } from "../../src/plugin/index.js";
import { shortFingerprint } from "../../src/tail/fingerprint.js";
import fileSource from "../../src/tail/index.js";
import { contextOf } from "../tail/harness.js";
import { Ledger, placeOf, type Written, type WrittenFile } from "./ledger.js";
import { AuditWriter } from "./writer.js";

/** Milliseconds after which a reader that gives nothing has failed. */
const PATIENCE = 5000;
const IDENTITY = /"auditID":"([^"]*)","stage":"([^"]*)"/;

/** What a restart finds. */
interface Saved {
  state: object | undefined;
  position: StartPoint;
  delivered: ReadonlySet<string>;
  losses: readonly Loss[];
  /** Events that the state's table knows of. */
  known: ReadonlySet<Written>;
}

const NOTHING: Saved = {
  state: undefined,
  position: { at: "beginning" },
  delivered: new Set(),
  losses: [],
  known: new Set(),
};

/**
 * A log that anything may happen to, and a reader of it in this process. Beside them the model: what was written, what of it
 * can still be had, and what the reader has given, as far as it remembers.
 */
export class LogUnderTest {
  readonly #directory = fs.mkdtempSync(join(tmpdir(), "auditship-model-"));
  readonly #ledger = new Ledger();
  readonly #log = new AuditWriter(join(this.#directory, "audit.log"), this.#ledger);
  /** The bytes of these are nowhere any more; a reader may still hold them. */
  readonly #gone = new Set<Written>();
  /** Gone, and there is nobody who can have seen them and remembers. */
  readonly #unknown = new Set<Written>();
  /** A `.gz` that is not complete: what is still to be written to it. */
  #compressing: { file: WrittenFile; rest: Buffer } | undefined;
  #saved = NOTHING;
  #delivered = new Set<string>();
  #losses: Loss[] = [];
  #last = "";
  #source!: Source;
  #reader!: Reader;

  static async make(): Promise<LogUnderTest> {
    const log = new LogUnderTest();
    log.#log.frozen = Date.UTC(2026, 10, 20);
    await log.#open();
    return log;
  }

  write(count: number, bytes: number): void {
    this.#tick();
    this.#log.write(count, { bytes });
  }

  rotate(): void {
    this.#tick();
    this.#log.rotateAtOnce();
  }

  /** Rotates several times in one millisecond: each backup overwrites the one before it. */
  rotateAtOnce(times: number, bytes: number): void {
    this.#tick();
    for (let i = 0; i < times; i++) {
      this.#log.write(1, { bytes });
      const file = this.#log.rotateAtOnce();
      const overwritten = this.#log.backups.find((other) => other !== file && other.backup === file.backup);
      if (overwritten) this.#overwrite(overwritten);
    }
  }

  /** Stops between two system calls of a rotation; the reader looks on. */
  async rotateSlowly(): Promise<void> {
    this.#tick();
    await this.#log.rotateSlowly(() => this.read(2, 1 << 16));
  }

  /** Begins to compress the oldest plain backup, and stops after a share of its bytes; or goes on with it to its end. */
  compress(share: number): void {
    const file = this.#plainBackups()[0];
    if (this.#compressing) this.#endCompression();
    else if (file) this.#beginCompression(file, share);
  }

  /** Deletes the oldest backup. `seen`: not before the reader has looked. */
  async deleteBackup(seen: boolean): Promise<void> {
    const file = this.#log.backups.find((backup) => this.#exists(backup));
    if (!file) return;
    if (!seen || !(await this.#looked())) this.#forget(file.events);
    if (this.#compressing?.file === file) this.#compressing = undefined;
    this.#log.delete(file);
    this.#lose(file);
  }

  /** Empties the active file; kube-apiserver has it open with O_APPEND. `seen`: not before the reader has looked. */
  async truncate(copy: boolean, seen: boolean): Promise<void> {
    const { file } = this.#log;
    if (!seen || !(await this.#looked())) this.#forget(file.events);
    this.#log.restart();
    if (copy) fs.copyFileSync(this.#log.path, `${this.#log.path}.1`);
    fs.truncateSync(this.#log.path);
    this.#lose(file);
    this.#log.startFile();
  }

  /** Takes so many chunks, as long as there is something. */
  async read(chunks: number, room: number): Promise<void> {
    const into = Buffer.alloc(room);
    for (let i = 0; i < chunks && this.#pending().length > 0; i++) this.#take(await this.#next(into));
  }

  /** The state is written down. */
  async save(): Promise<void> {
    if (!(await this.#looked())) return;
    const position = this.#reader.position();
    if (!position) return;
    const state = JSON.parse(JSON.stringify(this.#source.state(position)));
    const stored = { file: position.file.fingerprint, offset: position.offset };
    this.#saved = {
      state,
      position: { at: "position", position: stored },
      delivered: new Set(this.#delivered),
      losses: [...this.#losses],
      known: new Set(this.#written().filter((event) => !this.#unknown.has(event))),
    };
  }

  /** kill -9, then a new one that finds what was saved last. */
  async kill(): Promise<void> {
    await this.#source.close();
    this.#forget([...this.#gone].filter((event) => !this.#saved.known.has(event)));
    await this.#open();
  }

  async loseState(): Promise<void> {
    this.#saved = NOTHING;
    await this.kill();
  }

  /** Reads all there is, then holds it against the model. */
  async check(): Promise<void> {
    this.write(1, 300);
    await this.read(Number.POSITIVE_INFINITY, 1 << 16);
    const lost = this.#written().filter((event) => this.#gone.has(event) && !this.#has(event));
    const known = sum(lost.filter((event) => !this.#unknown.has(event)).map(({ bytes }) => bytes));
    const all = sum(lost.map(({ bytes }) => bytes));
    const least = sum(this.#losses.map(({ bytes }) => bytes));
    const most = sum(this.#losses.map(mostOf));
    // What overwrote itself before anybody looked may leave no trace; once it is told, its bound holds.
    const due = this.#losses.some(({ reason }) => reason === "unseen") ? all : known;
    if (least > all || most < due) {
      throw new Error(`${known} bytes are lost (${all} with what nobody saw), told as ${JSON.stringify(this.#losses)}`);
    }
  }

  async close(): Promise<void> {
    await this.#source.close();
    this.#log.restart();
    fs.rmSync(this.#directory, { recursive: true });
  }

  async #open(): Promise<void> {
    const { state, position, delivered, losses } = this.#saved;
    const recorded = { log: [], metrics: new Map(), losses: [] };
    const now = () => this.#log.now();
    const options = fileSource.options(z).parse({ path: this.#log.path, poll: 1 });
    this.#source = await fileSource.open(options, contextOf(recorded, { restored: state, now }));
    this.#losses = [...losses];
    this.#source.onLoss = (loss) => this.#losses.push(loss);
    this.#delivered = new Set(delivered);
    this.#last = "";
    this.#reader = await this.#source.reader(position);
  }

  /** Time passes: no two rotations in one millisecond. */
  #tick(): void {
    this.#log.frozen!++;
  }

  #beginCompression(file: WrittenFile, share: number): void {
    const whole = gzipSync(fs.readFileSync(this.#pathOf(file)));
    const written = Math.floor(whole.length * share);
    fs.writeFileSync(`${this.#pathOf(file)}.gz`, whole.subarray(0, written));
    this.#compressing = { file, rest: whole.subarray(written) };
  }

  #endCompression(): void {
    const { file, rest } = this.#compressing!;
    this.#compressing = undefined;
    fs.appendFileSync(`${this.#pathOf(file)}.gz`, rest);
    fs.unlinkSync(this.#pathOf(file));
  }

  #pathOf = ({ backup }: WrittenFile): string => join(this.#directory, backup);

  #plainBackups(): WrittenFile[] {
    return this.#log.backups.filter((file) => fs.existsSync(this.#pathOf(file)));
  }

  #exists(file: WrittenFile): boolean {
    if (file.backup === "") return false;
    return fs.existsSync(this.#pathOf(file)) || fs.existsSync(`${this.#pathOf(file)}.gz`);
  }

  /** Resolves to true when the reader knows of all that is there. */
  async #looked(): Promise<boolean> {
    const there = this.#ledger.files.filter((file) => file === this.#log.file || this.#exists(file));
    const written = there.filter(({ events }) => events.length > 0);
    for (let i = 0; i < 500; i++) {
      const { files } = this.#source.state(undefined) as {
        files: { fingerprint: string; size: number; exact: boolean }[];
      };
      const seen = new Map(
        files.map(({ fingerprint, size, exact }) => [
          shortFingerprint(fingerprint),
          exact ? size : Number.POSITIVE_INFINITY,
        ]),
      );
      if (written.every(({ id, size }) => (seen.get(id) ?? 0) >= size)) return true;
      await sleep(1);
    }
    return false;
  }

  #forget(events: Iterable<Written>): void {
    for (const event of events) this.#unknown.add(event);
  }

  #lose(file: WrittenFile): void {
    for (const event of file.events) this.#gone.add(event);
  }

  /** Another file has its name. Whether the reader had looked is not known. */
  #overwrite(file: WrittenFile): void {
    this.#forget(file.events);
    this.#lose(file);
    file.backup = "";
  }

  #written(): Written[] {
    return this.#ledger.files.flatMap(({ events }) => events);
  }

  #has = ({ file, offset, identity }: Written): boolean => this.#delivered.has(placeOf(file.id, offset, identity));

  #pending(): Written[] {
    return this.#written().filter((event) => !this.#gone.has(event) && !this.#has(event));
  }

  async #next(into: Buffer): Promise<Chunk> {
    const chunk = await this.#reader.next(into, { signal: AbortSignal.timeout(PATIENCE) });
    if (chunk) return chunk;
    const missing = this.#pending().map(({ file, offset }) => `${file.backup || "the active file"} at ${offset}`);
    throw new Error(`nothing comes, though ${missing.length} events are there: ${missing.slice(0, 5).join(", ")}`);
  }

  /** Every event of a chunk stands where it was written, comes in the order of writing, and comes once. */
  #take({ bytes, length, file, offset }: Chunk): void {
    let at = offset;
    for (const line of Buffer.from(bytes.subarray(0, length)).toString().split("\n").slice(0, -1)) {
      const [, auditID, stage] = IDENTITY.exec(line) ?? [];
      const place = placeOf(file.id, at, `${auditID}/${stage}`);
      if (!this.#written().some((event) => placeOf(event.file.id, event.offset, event.identity) === place))
        throw new Error(`it was not written there: ${place}`);
      if (this.#delivered.has(place)) throw new Error(`it comes again: ${place}`);
      if (auditID < this.#last) throw new Error(`it comes after a later one: ${place}`);
      this.#delivered.add(place);
      this.#last = auditID;
      at += Buffer.byteLength(line) + 1;
    }
  }
}

const sum = (numbers: number[]): number => numbers.reduce((a, b) => a + b, 0);

const mostOf = ({ reason, bytes, atMost }: Loss): number =>
  reason === "unseen" ? (atMost ?? Number.POSITIVE_INFINITY) : bytes;

/** Something that happens. */
class Command implements fc.AsyncCommand<object, LogUnderTest> {
  constructor(
    private readonly name: string,
    private readonly happen: (log: LogUnderTest) => Promise<void> | void,
  ) {}

  check = () => true;

  async run(_model: object, log: LogUnderTest): Promise<void> {
    await this.happen(log);
  }

  toString = () => this.name;
}

const command = (name: string, happen: (log: LogUnderTest) => Promise<void> | void) =>
  fc.constant(new Command(name, happen));

/** What may happen to a log and its reader. */
export const COMMANDS = [
  fc
    .tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 450, max: 3000 }))
    .map(([count, bytes]) => new Command(`write ${count} of ${bytes}`, (log) => log.write(count, bytes))),
  command("rotate", (log) => log.rotate()),
  fc
    .tuple(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 450, max: 3000 }))
    .map(([times, bytes]) => new Command(`rotate ${times} times at once`, (log) => log.rotateAtOnce(times, bytes))),
  command("rotate slowly", (log) => log.rotateSlowly()),
  fc
    .double({ min: 0, max: 1, noNaN: true })
    .map((share) => new Command(`compress ${share}`, (log) => log.compress(share))),
  command("delete backup", (log) => log.deleteBackup(true)),
  command("delete backup at once", (log) => log.deleteBackup(false)),
  command("truncate", (log) => log.truncate(false, true)),
  command("copytruncate at once", (log) => log.truncate(true, false)),
  fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.constantFrom(512, 4096, 65_536))
    .map(([chunks, room]) => new Command(`read ${chunks} of ${room}`, (log) => log.read(chunks, room))),
  command("save", (log) => log.save()),
  command("kill", (log) => log.kill()),
  command("lose state", (log) => log.loseState()),
];

/** Plays so many sequences of commands; most of them are short unless `long`. */
export function playSequences(runs: number, long: boolean): Promise<void> {
  const size = long ? { maxCommands: 60, size: "max" as const } : { maxCommands: 25 };
  const property = fc.asyncProperty(fc.commands(COMMANDS, size), async (commands) => {
    const log = await LogUnderTest.make();
    try {
      await fc.asyncModelRun(() => ({ model: {}, real: log }), commands);
      await log.check();
    } finally {
      await log.close();
    }
  });
  return fc.assert(property, { numRuns: runs, interruptAfterTimeLimit: 3_600_000 });
}
