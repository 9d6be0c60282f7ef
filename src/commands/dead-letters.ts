import { setTimeout as sleep } from "node:timers/promises";
import type { LoadedSink } from "../config/load.js";
import {
  type DeadLetter,
  type DeadLetterFilter,
  deadLettersPath,
  readDeadLetters,
  removeDeadLetters,
  sinksWithDeadLetters,
} from "../delivery/dead-letter-file.js";
import { StoredEvent } from "../pipeline/stored-event.js";
import { AuditshipError, ByteWriter, type Request, type SendingSink, type Verdict } from "../plugin/index.js";
import { chooseSinks, loadAllSinks, withSink } from "./chosen-sinks.js";

/** Most events of one replayed request, and attempts that one gets before it stays where it is. */
const REQUEST_EVENTS = 500;
const ATTEMPTS = 3;

/** Which dead letters: of one sink or all, and by what a letter holds. */
export interface Selection extends DeadLetterFilter {
  sink?: string;
  /** At most so many, the oldest of each sink first. */
  limit?: number;
}

type Print = (line: string) => void;

/** Prints a line for each: when, sink, id, attempts, reason. */
export async function listDeadLetters(file: string, selection: Selection, print: Print): Promise<void> {
  let count = 0;
  for await (const { time, sink, id, attempts, reason } of select(file, selection)) {
    print(`${time}  ${sink}  ${id}  ${attempts}  ${reason.replace(/\s+/g, " ")}`);
    count++;
  }
  if (count === 0) print("no dead letters");
}

/** Prints each as a JSON object; `line` and `members` are objects in it, byte for byte. Returns how many there are. */
export async function showDeadLetters(file: string, selection: Selection, print: Print): Promise<number> {
  let count = 0;
  for await (const { line, members, ...head } of select(file, selection)) {
    print(`${JSON.stringify(head).slice(0, -1)},"line":${line},"members":${members}}`);
    count++;
  }
  return count;
}

/**
 * Sends them again through their sinks, rendered as configured now, and takes back those that are taken. Safe beside a running
 * agent, and to repeat: an event keeps its id.
 */
export async function replayDeadLetters(file: string, selection: Selection, print: Print): Promise<{ left: number }> {
  const loaded = await loadAllSinks(file);
  let left = 0;
  let limit = selection.limit ?? Number.POSITIVE_INFINITY;
  for (const sink of chooseSinks(loaded, selection.sink)) {
    const path = deadLettersPath(loaded.config.state, sink.name);
    const replay = new Replay(path, sink);
    await withSink(loaded, sink, new AbortController().signal, async (made) => {
      if (made.mode === "send") await replay.run(made, selection, limit);
    });
    limit -= replay.delivered + replay.left;
    for (const [reason, count] of replay.reasons) print(`${sink.name}: ${count} stay: ${reason}`);
    print(`${sink.name}: ${replay.delivered} delivered, ${replay.left} left`);
    left += replay.left;
  }
  return { left };
}

/** Those of sinks that the configuration has no longer, too. */
async function* select(file: string, { sink, limit, ...filter }: Selection): AsyncGenerator<DeadLetter> {
  const loaded = await loadAllSinks(file);
  const { state } = loaded.config;
  const removed = await sinksWithDeadLetters(state);
  const configured = removed.includes(sink ?? "") ? [] : chooseSinks(loaded, sink).map(({ name }) => name);
  for (const name of new Set([...configured, ...removed])) {
    if (sink !== undefined && name !== sink) continue;
    for await (const letter of readDeadLetters(deadLettersPath(state, name), filter)) {
      if (limit !== undefined && limit-- <= 0) return;
      yield letter;
    }
  }
}

/** The replay of one sink's dead letters. */
class Replay {
  delivered = 0;
  left = 0;
  /** Why those that stay do, with their number. */
  readonly reasons = new Map<string, number>();
  readonly #path: string;
  readonly #sink: LoadedSink;

  constructor(path: string, sink: LoadedSink) {
    this.#path = path;
    this.#sink = sink;
  }

  /** Reads and sends request by request: memory does not grow with their number. */
  async run(sink: SendingSink, filter: DeadLetterFilter, limit: number): Promise<void> {
    const { maxBytes, maxEvents } = this.#sink.common.request;
    let request = new ReplayRequest();
    for await (const letter of readDeadLetters(this.#path, filter)) {
      if (limit-- <= 0) break;
      const obstacle = request.add(sink, letter);
      if (obstacle !== undefined) this.#stays(obstacle);
      if (request.count < Math.min(maxEvents, REQUEST_EVENTS) && request.size < maxBytes) continue;
      await this.#deliver(sink, request);
      request = new ReplayRequest();
    }
    await this.#deliver(sink, request);
  }

  /** Sends a request and what is left of it, until all are taken or stay. */
  async #deliver(sink: SendingSink, request: ReplayRequest): Promise<void> {
    if (request.count === 0) return;
    const verdicts = await send(sink, request);
    const which = (wanted: (verdict: Verdict) => boolean) =>
      request.ids.flatMap((_, i) => (wanted(verdicts[i]) ? [i] : []));
    const taken = which(({ kind }) => kind === "done" || kind === "duplicate");
    await removeDeadLetters(
      this.#path,
      taken.map((index) => request.ids[index]),
    );
    this.delivered += taken.length;

    const split = which(({ kind }) => kind === "split" && request.count > 1);
    const again = which(({ kind }) => kind === "retry" && request.attempt + 1 < ATTEMPTS);
    for (const index of which(() => true)) {
      if (![...taken, ...split, ...again].includes(index)) this.#stays(reasonOf(verdicts[index]));
    }
    const middle = Math.ceil(split.length / 2);
    await this.#deliver(sink, request.pick(split.slice(0, middle), request.attempt));
    await this.#deliver(sink, request.pick(split.slice(middle), request.attempt));
    if (again.length > 0) await sleep(pause(verdicts, request.attempt));
    await this.#deliver(sink, request.pick(again, request.attempt + 1));
  }

  #stays(reason: string): void {
    this.left++;
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
  }
}

/** A request of dead letters; never gzipped, for they are few. */
class ReplayRequest implements Request {
  readonly encoding = "identity";
  readonly unsure = true;
  readonly ids: string[] = [];
  readonly #items: Uint8Array[] = [];
  /** Bytes so far. */
  size = 0;

  constructor(readonly attempt = 0) {}

  get body(): Uint8Array {
    return Buffer.concat(this.#items);
  }

  get count(): number {
    return this.#items.length;
  }

  get firstId(): string {
    return this.ids[0];
  }

  get lastId(): string {
    return this.ids[this.ids.length - 1];
  }

  item(index: number): Uint8Array {
    return this.#items[index];
  }

  id(index: number): string {
    return this.ids[index];
  }

  /** Returns why it does not: the letter is no event any more, or none that the sink can encode. */
  add(sink: SendingSink, letter: DeadLetter): string | undefined {
    const out = new ByteWriter(letter.line.length + 1024);
    try {
      const event = StoredEvent.of(letter);
      if (!event) return "its line cannot be read";
      sink.encode(event, out);
    } catch (error) {
      return `cannot be encoded: ${(error as Error).message}`;
    }
    this.#push(letter.id, out.view());
    return undefined;
  }

  /** Some of its items, to be tried once more. */
  pick(indexes: readonly number[], attempt: number): ReplayRequest {
    const picked = new ReplayRequest(attempt);
    for (const index of indexes) picked.#push(this.ids[index], this.#items[index]);
    return picked;
  }

  #push(id: string, item: Uint8Array): void {
    this.ids.push(id);
    this.#items.push(item);
    this.size += item.length;
  }
}

async function send(sink: SendingSink, request: ReplayRequest): Promise<readonly Verdict[]> {
  try {
    const answer = await sink.send(request, new AbortController().signal);
    return Array.isArray(answer) ? answer : request.ids.map(() => answer);
  } catch (cause) {
    const message = `the sink does not answer: ${(cause as Error).message}`;
    throw new AuditshipError("AUDITSHIP_SINK_FAILED", message, {}, { cause });
  }
}

/** Milliseconds: what the far end asked for, at most half a minute, else doubling from 200 ms. */
function pause(verdicts: readonly Verdict[], attempt: number): number {
  const asked = Math.max(0, ...verdicts.map((verdict) => (verdict.kind === "retry" && verdict.after) || 0));
  return Math.min(asked || 200 * 2 ** attempt, 30_000);
}

const reasonOf = (verdict: Verdict) => ("reason" in verdict ? verdict.reason : verdict.kind);
