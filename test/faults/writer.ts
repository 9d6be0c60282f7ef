import fs from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { Lumberjack, type LumberjackOptions, run } from "../support/lumberjack.js";
import type { Ledger, Written, WrittenFile } from "./ledger.js";

/** Size of an event's line unless said otherwise, with its newline: what a Metadata event has. */
const EVENT_BYTES = 1100;
/** Bytes that Go's io.Copy, which lumberjack compresses with, writes at once. */
const COPY_BYTES = 32 * 1024;

export interface EventOptions {
  /** Of the whole line, with its newline. */
  bytes?: number;
  stage?: string;
  auditID?: string;
  /** JSON members that stand before `auditID`. */
  before?: string;
  /** JSON members that stand at the end. */
  after?: string;
}

/**
 * Writes an audit log as kube-apiserver does, through {@link Lumberjack}, and enters every event into the ledger: file,
 * offset, identity. One write(2) per event.
 */
export class AuditWriter {
  readonly lumberjack: Lumberjack;
  readonly ledger: Ledger;
  /** Milliseconds that the writer's clock is ahead of ours. */
  clockAhead = 0;
  /** The time at which the writer's clock stands still, epoch milliseconds. */
  frozen: number | undefined;
  /** Called when a file has become a backup. */
  onRotated: (file: WrittenFile) => void = () => {};
  #file: WrittenFile | undefined;
  #created = -1;
  #lastRotation = 0;

  constructor(path: string, ledger: Ledger, options: Omit<LumberjackOptions, "now"> = {}) {
    this.ledger = ledger;
    this.lumberjack = new Lumberjack(path, { ...options, now: () => this.now() });
  }

  get path(): string {
    return this.lumberjack.path;
  }

  get directory(): string {
    return this.lumberjack.directory;
  }

  now(): number {
    return this.frozen ?? Date.now() + this.clockAhead;
  }

  /** The file that the next event goes into, if it fits. */
  get file(): WrittenFile {
    this.lumberjack.size;
    if (this.#created !== this.lumberjack.created) {
      this.#created = this.lumberjack.created;
      this.#file = this.ledger.begin();
    }
    return this.#file!;
  }

  /** Files that are backups now, oldest first. */
  get backups(): WrittenFile[] {
    return this.ledger.files.filter(({ backup }) => backup !== "");
  }

  /** The next event's line, and who it is. */
  next(options: EventOptions = {}): { line: Buffer; identity: string } {
    const { bytes = EVENT_BYTES, stage = "ResponseComplete", before = "", after = "" } = options;
    const auditID = options.auditID ?? auditIdOf(this.ledger.events);
    return { line: eventLine(auditID, stage, this.now(), bytes, before, after), identity: `${auditID}/${stage}` };
  }

  /** Writes events, each in one call, after a rotation if it does not fit. */
  write(count = 1, options: EventOptions = {}): void {
    for (let i = 0; i < count; i++) this.append(this.next(options));
  }

  /** Writes the line of an event. */
  append({ line, identity }: { line: Buffer; identity: string }): Written {
    if (!this.lumberjack.fits(line.length)) this.rotate();
    const { file } = this;
    const offset = this.lumberjack.size;
    this.lumberjack.write(line);
    file.size = this.lumberjack.size;
    return this.ledger.add(file, offset, line, identity);
  }

  /** Writes bytes that are no event, or not all of one. */
  raw(bytes: string | Uint8Array): { file: WrittenFile; offset: number } {
    const { file } = this;
    const offset = this.lumberjack.size;
    this.lumberjack.write(bytes);
    file.size = this.lumberjack.size;
    return { file, offset };
  }

  /** Rotates, never twice in one millisecond. @returns the file that is a backup now */
  rotate(): WrittenFile {
    while (this.now() === this.#lastRotation) waitBriefly();
    return this.rotateAtOnce();
  }

  /** Rotates, whatever the time. */
  rotateAtOnce(): WrittenFile {
    const { file } = this;
    this.#lastRotation = this.now();
    file.backup = this.lumberjack.rotate();
    this.onRotated(file);
    return file;
  }

  /** Rotates and calls back between its system calls. */
  async rotateSlowly(between: (step: "closed" | "renamed") => Promise<void> | void): Promise<WrittenFile> {
    while (this.now() === this.#lastRotation) waitBriefly();
    const { file } = this;
    this.#lastRotation = this.now();
    const steps = this.lumberjack.rotation();
    for (;;) {
      const { done, value } = steps.next();
      if (done) {
        file.backup = value;
        this.onRotated(file);
        return file;
      }
      await between(value);
    }
  }

  /** Writes at a rate of events a second, in steps of 5 ms, for so many events. */
  async writeAtRate(count: number, perSecond: number, options: EventOptions = {}): Promise<void> {
    const start = performance.now();
    for (let done = 0; done < count; ) {
      const due = Math.min(count, Math.ceil(((performance.now() - start) * perSecond) / 1000));
      this.write(due - done, options);
      done = due;
      if (done < count) await sleep(5);
    }
  }

  /** Compresses a backup to its end, all at once. */
  compress({ backup }: WrittenFile): void {
    run(this.lumberjack.compression(backup));
  }

  /** As the mill does it beside the writer: in pieces, straight into the final name, then the plain file goes. */
  async compressBeside({ backup }: WrittenFile): Promise<void> {
    const plain = join(this.directory, backup);
    const compressed = await promisify(gzip)(await fs.promises.readFile(plain), { level: 6 });
    const file = await fs.promises.open(`${plain}.gz`, "w", 0o600);
    for (let at = 0; at < compressed.length; at += COPY_BYTES) {
      await file.write(compressed.subarray(at, at + COPY_BYTES));
      await nextTurn();
    }
    await file.close();
    await fs.promises.rm(plain, { force: true });
  }

  /** Deletes a backup. */
  delete({ backup }: WrittenFile): void {
    this.lumberjack.delete(backup);
  }

  /** What lumberjack's mill does now. @returns the files that it deleted */
  mill(): WrittenFile[] {
    const surplus = new Set(this.lumberjack.surplus());
    this.lumberjack.mill();
    return this.ledger.files.filter(({ backup }) => surplus.has(backup));
  }

  /** kube-apiserver ends; the next write opens the file again, appending. */
  restart(): void {
    this.lumberjack.close();
  }

  /** The file under the active name is a new one, though lumberjack did not make it. */
  startFile(): WrittenFile {
    this.#created = this.lumberjack.created;
    this.#file = this.ledger.begin();
    return this.#file;
  }
}

const auditIdOf = (number: number): string => `00000000-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;

/** A line of exactly so many bytes with its newline, if they are enough. @param time epoch milliseconds */
function eventLine(auditID: string, stage: string, time: number, bytes: number, before: string, after: string): Buffer {
  const stamp = `${new Date(time).toISOString().slice(0, -1)}000Z`;
  const head = `{"kind":"Event","apiVersion":"audit.k8s.io/v1",${before}"level":"Metadata","auditID":"${auditID}","stage":"${stage}"`;
  const middle =
    ',"requestURI":"/api/v1/namespaces/shop/pods?limit=500","verb":"list","user":{"username":"alice","groups":["system:authenticated"]},"sourceIPs":["10.0.0.7"],"userAgent":"';
  const tail = `","objectRef":{"resource":"pods","namespace":"shop","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"${stamp}","stageTimestamp":"${stamp}"${after}}\n`;
  const padding = Math.max(0, bytes - head.length - middle.length - Buffer.byteLength(tail));
  return Buffer.from(`${head}${middle}${"x".repeat(padding)}${tail}`);
}

/** The next millisecond comes sooner than a timer would. */
function waitBriefly(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0.2);
}
