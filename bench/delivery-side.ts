/** One side of `npm run bench:delivery`, a process that says what it used as JSON. */
import { setMaxListeners } from "node:events";
import { setImmediate } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";
import { gzip } from "node:zlib";
import { Pool } from "undici";
import { z } from "zod";
import elasticsearch from "../plugins/sinks/elasticsearch.js";
import parseStage from "../plugins/stages/parse.js";
import { commandHost } from "../src/commands/command-host.js";
import type { DeadLetters } from "../src/delivery/dead-letters.js";
import { createHttp } from "../src/delivery/http.js";
import { Ledger } from "../src/delivery/ledger.js";
import { SendingRunner } from "../src/delivery/sending.js";
import { Arena, EventBatch } from "../src/event/index.js";
import {
  ByteWriter,
  type HttpClient,
  ROW_WORDS,
  type SendingSink,
  type SinkHost,
  type StageHost,
} from "../src/plugin/index.js";
import type { Mix } from "../src/simulate/index.js";
import { makeLog } from "./log.js";

const { values: options } = parseArgs({
  options: {
    side: { type: "string", default: "delivery" },
    mix: { type: "string", default: "mixed" },
    compression: { type: "string", default: "none" },
    url: { type: "string", default: "" },
    size: { type: "string", default: "1024" },
  },
});
const compression = options.compression as "gzip" | "none";
const FILE = { fingerprint: "00".repeat(32), id: "AAAAAAAAAAAAAAAA", ordinal: 1, time: 0 };
/** Bytes of the log whose bodies the floor posts, again and again. */
const BODIES = 64 * 1024 ** 2;
/** Requests that the floor has in flight. */
const IN_FLIGHT = 4;
const MAX_BYTES = 4 * 1024 ** 2;
/**
 * MB of the log before anything counts, in requests of so many bytes, as an agent that follows a log sends them: it has sent thousands
 * long before it comes to a backlog, and V8 has compiled what runs once for each request.
 */
const WARM_UP = { size: 512, maxBytes: 64 * 1024 };
/** For requests, as the program has it for one sink. */
const MEMORY = 29 * 1024 ** 2;

/** As little as stays in the processor's caches: in the agent a batch was just scanned when it is offered. */
const log = makeLog(options.mix as Mix, 4 * 1024 ** 2);
const surroundings = { cluster: "bench", node: "bench-1", labels: {}, resolve: (path: string) => path };
const { signal } = new AbortController();
// As in the program: each request in flight listens.
setMaxListeners(0, signal);
const host = commandHost("archive", surroundings, signal);

/** For batches and requests, as in the program. */
const arena = new Arena(64 * 1024 ** 2);

/** The log as batches that have passed the stage `parse`, as in the program. */
async function makeBatches(): Promise<EventBatch[]> {
  const parse = await parseStage.create(parseStage.options(z).parse({}), host as StageHost);
  let offset = 0;
  const batches = log.chunks.map((bytes) => {
    const batch = new EventBatch({ capacity: bytes.length + 1, documents: surroundings, arena });
    batch.buffer.set(bytes);
    const consumed = batch.load({ bytes: batch.buffer, length: bytes.length, file: FILE, offset }, "bench");
    if (consumed !== bytes.length) throw new Error(`a batch took ${consumed} of ${bytes.length} bytes`);
    offset += bytes.length;
    return batch;
  });
  for (const batch of batches) await parse.run(batch);
  return batches;
}

const batches = await makeBatches();

/**
 * Has the processor's caches hold what the agent's have: a batch was scanned and worked on just before it is offered. What
 * that takes is not counted.
 */
function warm(batch: EventBatch): void {
  const started = performance.now();
  const { bytes, count, table, time } = batch;
  if (bytes.includes(NOWHERE) || sumOf(table, count * ROW_WORDS) + sumOf(time, count) === 0) throw new Error("no log");
  warming += performance.now() - started;
}
/** A byte that no JSON has. */
const NOWHERE = 0xff;
/** Milliseconds. */
let warming = 0;

/** Of one of each cache line of the first `count` numbers. */
function sumOf(numbers: Uint32Array | Float64Array, count: number): number {
  let sum = 0;
  for (let at = 0; at < count; at += 64 / numbers.BYTES_PER_ELEMENT) sum += numbers[at];
  return sum;
}

async function createSink(http?: HttpClient): Promise<SendingSink> {
  const given = elasticsearch.options(z).parse({ urls: ["http://127.0.0.1:9200"], index: "audit-{date}" });
  const sinkHost = { ...host, http: () => http } as unknown as SinkHost;
  return (await elasticsearch.create(given, sinkHost)) as SendingSink;
}

/** What delivery has of others: documents and ids. Gives what writes those of so many bytes of the log. */
async function createDocuments(): Promise<(bytes: number) => void> {
  const sink = await createSink();
  // Bodies that are never sent, as many in turn as there may be at once.
  const bodies = Array.from({ length: Math.floor(MEMORY / MAX_BYTES) }, () => arena.take(MAX_BYTES)!);
  const out = new ByteWriter(0);
  let [body, next, due] = [0, 0, 0];
  return (bytes) => {
    for (due += bytes; due > 0; next = (next + 1) % batches.length) {
      const batch = batches[next];
      if (out.length + 2 * batch.length > out.bytes.length) {
        out.bytes = bodies[body++ % bodies.length];
        out.clear();
      }
      writeAll(batch, sink, out);
      due -= batch.length;
    }
  };
}

function writeAll(batch: EventBatch, sink: SendingSink, out: ByteWriter): void {
  warm(batch);
  const frame = sink.frame!(batch.at(0).day())!;
  for (let row = 0; row < batch.count; ) {
    const { count } = batch.writeFramed(row, batch.count, frame, out);
    if (count === 0) sink.encode(batch.at(row), out);
    row += Math.max(1, count);
  }
}

/** Our delivery over an HTTP client. */
async function delivery(http: HttpClient, compression: "gzip" | "none", maxBytes: number): Promise<Work> {
  const sink = await createSink(http);
  const runner = new SendingRunner(
    sink,
    host,
    {
      request: { maxBytes, maxEvents: 5000, maxWait: 1000 },
      retry: { initial: 500, max: 30_000, slow: 60_000 },
      concurrency: 16,
      memory: MEMORY,
      compression,
      stallAfter: 60_000,
      select: () => true,
    },
    { deadLetters: undefined as unknown as DeadLetters, viewLetter: () => undefined, bodies: arena },
  );
  const ledger = new Ledger();
  runner.addLedger(ledger);
  return async (times) => {
    for (let i = 0; i < times; i++) {
      for (const batch of batches) {
        warm(batch);
        if (!(await runner.offer(batch, ledger, true))) throw new Error("parked");
      }
    }
    await runner.drain();
    if (ledger.busy) throw new Error("not everything was taken");
  };
}

/** Sends the log so many times. */
type Work = (times: number) => Promise<void>;

/** The bodies of our requests, before compression, for {@link BODIES} of the log. */
async function bodies(maxBytes: number): Promise<Buffer[]> {
  const all: Buffer[] = [];
  const collecting = {
    async request({ body }: { body: Uint8Array }) {
      const bytes = Buffer.from(body);
      all.push(bytes);
      // Not at once: meanwhile the next one is filled, as over a network.
      await setImmediate();
      const items = new Array(bytes.toString("latin1").split("\n").length >> 1).fill('{"create":{"status":201}}');
      return { status: 200, headers: {}, body: Buffer.from(`{"items":[${items}]}`), truncated: false, url: "" };
    },
  } as unknown as HttpClient;
  await (await delivery(collecting, "none", maxBytes))(Math.ceil(BODIES / log.bytes));
  return all;
}

/** The same bodies by undici's pool; `beforePost` is told how much of the log the next one has. */
async function floor(maxBytes: number, beforePost: (bytes: number) => void = () => {}): Promise<Work> {
  const all = await bodies(maxBytes);
  const pool = new Pool(options.url, { connections: IN_FLIGHT });
  const pack = promisify(gzip);
  const headers = { "content-type": "application/x-ndjson", accept: "application/json" };
  const ofLog = all.reduce((sum, { length }) => sum + length, 0) / Math.ceil(BODIES / log.bytes);
  return async (times) => {
    let next = 0;
    let left = times * ofLog;
    const post = async () => {
      while (left > 0) {
        const plain = all[next++ % all.length];
        left -= plain.length;
        beforePost((plain.length / ofLog) * log.bytes);
        const zipped = compression === "gzip";
        const { body } = await pool.request({
          method: "POST",
          path: "/_bulk",
          body: zipped ? await pack(plain, { level: 1, memLevel: 9 }) : plain,
          headers: zipped ? { ...headers, "content-encoding": "gzip" } : headers,
        });
        await body.dump();
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, post));
  };
}

const documents = options.side === "documents" ? await createDocuments() : undefined;
/** Each side with requests of at most so many bytes. */
const sides: Record<string, (maxBytes: number) => Promise<Work>> = {
  floor: (maxBytes) => floor(maxBytes),
  documents: (maxBytes) => floor(maxBytes, documents),
  delivery: (maxBytes) => delivery(createHttp({ urls: [options.url] }, host), compression, maxBytes),
};
const side = sides[options.side];
/** How often the log makes so many MB. */
const timesFor = (size: number) => Math.ceil((size * 1024 ** 2) / log.bytes);
const times = timesFor(Number(options.size));
await (await side(WARM_UP.maxBytes))(timesFor(WARM_UP.size));
const work = await side(MAX_BYTES);
await work(timesFor(WARM_UP.size));
warming = 0;
const before = process.cpuUsage();
await work(times);
const { user, system } = process.cpuUsage(before);
const cpu = (user + system - 1000 * warming) / 1e6 / ((log.bytes * times) / 1e9);
process.stdout.write(`${JSON.stringify({ cpu })}\n`, () => process.exit());
