import { open, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AuditshipError, members } from "../plugin/index.js";
import { IdSet } from "./id-set.js";

/** An event that a sink refused for good. */
export interface DeadLetter {
  /** {@link EventView.id}. */
  id: string;
  sink: string;
  reason: string;
  /** When it was put aside, RFC 3339. */
  time: string;
  attempts: number;
  /** The redacted line: one JSON object as text. */
  line: string;
  /** Our members of its document, as a JSON object's text: `{"@timestamp":…,"auditship":{…}}`; the position is in it. */
  members: string;
}

/** Which letters; all that is set must hold. */
export interface DeadLetterFilter {
  ids?: ReadonlySet<string>;
  /** Part of the reason. */
  reason?: string;
  /** Epoch milliseconds: put aside at or after, before. */
  since?: number;
  until?: number;
}

/** Bytes that are read at once. */
const COPY = 1024 ** 2;

const SUFFIX = ".ndjson";

/** Where a sink's dead letters lie. */
export function deadLettersPath(stateDirectory: string, sink: string): string {
  return join(stateDirectory, "dead-letters", sink + SUFFIX);
}

/** Names of the sinks that have a file, in a state directory that may not be there. */
export async function sinksWithDeadLetters(stateDirectory: string): Promise<string[]> {
  const directory = dirname(deadLettersPath(stateDirectory, ""));
  try {
    const names = await readdir(directory);
    return names.filter((name) => name.endsWith(SUFFIX)).map((name) => name.slice(0, -SUFFIX.length));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw asAuditshipError(cause, directory);
  }
}

/** The letters in a file, oldest first; also while the agent writes. None if there is no such file. */
export async function* readDeadLetters(path: string, filter: DeadLetterFilter = {}): AsyncGenerator<DeadLetter> {
  try {
    for await (const { bytes } of letters(path)) {
      const letter = decode(bytes);
      if (accepts(filter, letter)) yield letter;
    }
  } catch (cause) {
    throw asAuditshipError(cause, path);
  }
}

/** Takes letters back, once their sink has them. Safe while the agent writes. */
export async function removeDeadLetters(path: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  try {
    for (;;) {
      const file = await open(path, "a");
      try {
        // The first newline ends a half line that a crash may have left.
        await file.appendFile(`\n${JSON.stringify({ removed: ids })}\n`);
        await file.datasync();
        // The agent may have written the file anew in between.
        if ((await file.stat()).ino === (await stat(path)).ino) return;
      } finally {
        await file.close();
      }
    }
  } catch (cause) {
    throw asAuditshipError(cause, path);
  }
}

/** A letter as a line of the file. */
export function encode({ line, members: ours, ...head }: DeadLetter): string {
  const { id, ...rest } = head;
  return `${JSON.stringify({ id, ...rest }).slice(0, -1)},"line":${line},"members":${ours}}\n`;
}

/** The letter of a line; its `line` and `members` keep their text. */
function decode(bytes: Buffer): DeadLetter {
  const letter: Record<string, unknown> = {};
  for (const { key, start, end } of members(bytes, 0)) {
    const text = bytes.toString("utf8", start, end);
    letter[key] = key === "line" || key === "members" ? text : JSON.parse(text);
  }
  return letter as unknown as DeadLetter;
}

function accepts(filter: DeadLetterFilter, letter: DeadLetter): boolean {
  const time = Date.parse(letter.time);
  return (
    (!filter.ids || filter.ids.has(letter.id)) &&
    (filter.reason === undefined || letter.reason.includes(filter.reason)) &&
    (filter.since === undefined || time >= filter.since) &&
    (filter.until === undefined || time < filter.until)
  );
}

/** The letters that count: whole, not taken back later, each id once. The bytes are valid until the next is asked for. */
export async function* letters(path: string): AsyncGenerator<{ id: string; bytes: Buffer }> {
  const removed = await removals(path);
  const seen = new IdSet();
  for await (const { bytes, offset } of lines(path)) {
    const id = LETTER.exec(bytes.toString("latin1", 0, 256))?.[1];
    if (id === undefined || (removed.get(id) ?? -1) > offset || seen.has(id) || !isLetter(parse(bytes))) continue;
    seen.add(id);
    yield { id, bytes };
  }
}

/** Where each id was taken back last. */
async function removals(path: string): Promise<Map<string, number>> {
  const removed = new Map<string, number>();
  for await (const { bytes, offset } of lines(path)) {
    if (!bytes.subarray(0, REMOVED.length).equals(REMOVED)) continue;
    const ids = parse(bytes)?.removed;
    if (Array.isArray(ids)) for (const id of ids) removed.set(id, offset);
  }
  return removed;
}

const LETTER = /^\{"id":"([^"\\]+)"/;
const REMOVED = Buffer.from('{"removed":[');

/** True for what {@link encode} writes, as far as readers rely on it: somebody may have edited the file. */
function isLetter(line: Record<string, unknown> | undefined): boolean {
  if (line === undefined) return false;
  const { sink, reason, time, line: event, members: ours } = line;
  const texts = [sink, reason, time].every((text) => typeof text === "string");
  return texts && event !== undefined && typeof ours === "object" && ours !== null;
}

/** A line that begins as an object; undefined if it is not JSON. */
function parse(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

/** The lines of a file, with their newline; not a half one at its end. The bytes are valid until the next is asked for. */
async function* lines(path: string): AsyncGenerator<{ bytes: Buffer; offset: number }> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (!file) return;
  try {
    let buffer = Buffer.allocUnsafe(COPY);
    let length = 0;
    let offset = 0;
    for (;;) {
      if (length === buffer.length) buffer = Buffer.concat([buffer], 2 * buffer.length);
      const { bytesRead } = await file.read(buffer, length, buffer.length - length);
      if (bytesRead === 0) break;
      length += bytesRead;
      let start = 0;
      for (let end = newline(buffer, start, length); end > 0; end = newline(buffer, start, length)) {
        yield { bytes: buffer.subarray(start, end), offset: offset + start };
        start = end;
      }
      buffer.copyWithin(0, start, length);
      length -= start;
      offset += start;
    }
  } finally {
    await file.close();
  }
}

/** One past the next newline of `buffer[start, length)`; 0 if there is none. */
function newline(buffer: Buffer, start: number, length: number): number {
  const at = buffer.indexOf(0x0a, start);
  return at >= 0 && at < length ? at + 1 : 0;
}

/** Says what is wrong with the file. */
export function asAuditshipError(cause: unknown, file: string): AuditshipError {
  if (cause instanceof AuditshipError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  return new AuditshipError(
    "AUDITSHIP_DEAD_LETTERS",
    `the dead letters cannot be read or written: ${code ?? message}. Check the space and permissions of the state directory.`,
    { file },
    { cause },
  );
}
