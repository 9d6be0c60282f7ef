import fs from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { z } from "zod";
import { EventExtractor } from "../../src/event/index.js";
import type { Chunk, Loss, Position, Reader, Source, SourceContext, StartPoint } from "../../src/plugin/index.js";
import fileSource from "../../src/tail/index.js";

/** A directory that is removed after the test. */
export function tempDirectory(): string {
  const path = fs.mkdtempSync(join(os.tmpdir(), "auditship-tail-"));
  onTestFinished(() => fs.rmSync(path, { recursive: true, force: true }));
  return path;
}

/** What a source said, counted and lost. */
export interface Recorded {
  log: { level: string; kind?: string; message: string }[];
  /** `name{labels}` → value. */
  metrics: Map<string, number>;
  losses: Loss[];
}

export interface OpenSource {
  source: Source;
  recorded: Recorded;
}

export interface Options {
  once?: boolean;
  restored?: object;
  maxLine?: number;
  poll?: number;
  maxSize?: number;
  pin?: boolean;
  pinDirectory?: string;
  pinSize?: number;
  now?: () => number;
}

/** Opens a file source; closed after the test. */
export async function openSource(path: string, options: Options = {}): Promise<OpenSource> {
  const { poll = 20, maxSize, pin, pinDirectory, pinSize } = options;
  const recorded: Recorded = { log: [], metrics: new Map(), losses: [] };
  const parsed = fileSource.options(z).parse({ path, poll, maxSize, pin, pinDirectory, pinSize });
  const source = await fileSource.open(parsed, contextOf(recorded, options));
  source.onLoss = (loss) => recorded.losses.push(loss);
  onTestFinished(() => source.close());
  return { source, recorded };
}

/** What a source is given, noted in `recorded`. */
export function contextOf(
  recorded: Recorded,
  { once = false, restored, maxLine = 1 << 20, now = Date.now }: Options,
): SourceContext {
  const say = (level: string) => (fields: object, message: string) => {
    recorded.log.push({ level, kind: (fields as { kind?: string }).kind, message });
  };
  const key = (name: string, labels: string[]) => `${name}{${labels.join(",")}}`;
  return {
    name: "apiserver",
    log: { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") },
    meter: {
      add: (name, value, ...labels) =>
        recorded.metrics.set(key(name, labels), (recorded.metrics.get(key(name, labels)) ?? 0) + value),
      set: (name, value, ...labels) => recorded.metrics.set(key(name, labels), value),
      observe: () => {},
    },
    cluster: "test",
    node: "node",
    labels: {},
    version: "0",
    resolve: (path) => path,
    field: () => undefined,
    signal: new AbortController().signal,
    now,
    // As the state on disk would have it.
    restored: restored && JSON.parse(JSON.stringify(restored)),
    once,
    maxLine,
    extractor: () => new EventExtractor(),
    stateDirectory: () => {
      throw new Error("this source keeps no files of its own");
    },
  };
}

/** An event's line, with its newline. `time`: epoch milliseconds. */
export function line(number: number, time = 1_800_000_000_000 + number, padding = ""): string {
  const stamp = new Date(time).toISOString().replace("Z", "000Z");
  const head = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"${number}","pad":"${padding}"`;
  return `${head},"requestReceivedTimestamp":"${stamp}","stageTimestamp":"${stamp}"}\n`;
}

/** The lines of numbers [from, to). */
export function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => line(from + i)).join("");
}

/** Bytes of a chunk as text. */
export function textOf(chunk: Chunk | undefined): string | undefined {
  return chunk && Buffer.from(chunk.bytes.subarray(0, chunk.length)).toString("utf8");
}

/** Everything up to the log's end (`once`), or until so many bytes came. */
export async function readAll(reader: Reader, bytes = Number.POSITIVE_INFINITY, size = 64 * 1024): Promise<string> {
  const into = Buffer.alloc(size);
  const parts: Buffer[] = [];
  for (let count = 0; count < bytes; ) {
    const chunk = await reader.next(into);
    if (!chunk) break;
    count += chunk.length;
    parts.push(Buffer.from(chunk.bytes.subarray(0, chunk.length)));
  }
  return Buffer.concat(parts).toString("utf8");
}

/** Reads the whole log once from a start. */
export async function readOnce(path: string, start: StartPoint = { at: "beginning" }, options: Options = {}) {
  const opened = await openSource(path, { ...options, once: true });
  const reader = await opened.source.reader(start);
  return { ...opened, reader, text: await readAll(reader) };
}

export function stored(position: Position | undefined): StartPoint {
  return { at: "position", position: { file: position!.file.fingerprint, offset: position!.offset } };
}
