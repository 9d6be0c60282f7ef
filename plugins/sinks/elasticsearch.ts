import { gunzipSync } from "node:zlib";
import {
  type ByteWriter,
  DUPLICATE,
  defineSink,
  duration,
  type EventView,
  type Expiry,
  Flag,
  type Frame,
  type HttpClient,
  httpShape,
  NEWLINE,
  type Request,
  type SendingSink,
  type SinkHost,
  type Verdict,
  type Zod,
} from "../../src/plugin/index.js";
import { ActionLine } from "./elasticsearch/action.js";
import { DataStream } from "./elasticsearch/data-stream.js";
import { preview, type SetupOptions } from "./elasticsearch/preview.js";
import { routingBy } from "./elasticsearch/routing.js";
import { createShape } from "./elasticsearch/shapes/index.js";
import type { Shape } from "./elasticsearch/shapes/shape.js";
import { targetOf } from "./elasticsearch/target.js";
import { bulkVerdicts, FILTER_PATH } from "./elasticsearch/verdicts.js";

const options = (zod: Zod) =>
  zod.strictObject({
    ...httpShape(zod),
    index: zod
      .string()
      .optional()
      .describe(
        "Name of the index: {date} is the event's UTC day (YYYY.MM.DD), {cluster} the configured cluster. Default: audit-{date}; of shape kubesphere: ks-logstash-auditing-{date}; of shape ecs: logs-kubernetes.audit_logs-{date}.",
      ),
    dataStream: zod.string().optional().describe("Name of a data stream to write to, in place of index."),
    pipeline: zod.string().min(1).optional().describe("Ingest pipeline that the server sends each event through."),
    routing: zod
      .string()
      .optional()
      .describe(
        "Field of the event (objectRef.namespace) whose value decides the shard. For indices, not data streams.",
      ),
    shape: zod
      .enum(["native", "kubesphere", "ecs"])
      .default("native")
      .describe(
        "native: the line as written and two members. kubesphere: as KubeSphere's console queries it. ecs: as Elastic's detection rules query it.",
      ),
    retention: zod
      .union([zod.literal("none"), duration()])
      .prefault("7d")
      .describe(
        "How long events are kept, or none for ever. Enforced by the lifecycle policy that setup creates, or by auditship retention.",
      ),
  });

type Options = ReturnType<ReturnType<typeof options>["parse"]>;

/** Elasticsearch and OpenSearch, by `_bulk` with `create` and our `_id`: at least once, stored once. */
export default defineSink({
  kind: "sink",
  name: "elasticsearch",
  options,
  anyOrder: true,
  defaults: { select: "all", maxWait: 1000, compression: "gzip" },
  create: (options, host) => new Elasticsearch(options as Options, host),
});

/** Bytes of a bulk request. */
type Body = Pick<Request, "body" | "encoding" | "count">;

class Elasticsearch implements SendingSink {
  readonly mode = "send";
  readonly ordered = false;
  readonly gzip = true;
  readonly #host: SinkHost;
  readonly #http: HttpClient;
  readonly #setup: SetupOptions;
  readonly #shape: Shape;
  readonly #action: ActionLine;
  /** Path and query. */
  readonly #bulk: string;
  readonly #stream: DataStream | undefined;

  constructor(options: Options, host: SinkHost) {
    this.#host = host;
    const target = targetOf(options, host.cluster);
    const retention = options.retention === "none" ? undefined : options.retention;
    this.#setup = { target, shape: options.shape, retention };
    this.#shape = createShape(options.shape, host, target);
    this.#action = new ActionLine(target, options.routing === undefined ? undefined : routingBy(options.routing, host));
    this.#http = host.http(options);
    const pipeline = options.pipeline === undefined ? "" : `&pipeline=${encodeURIComponent(options.pipeline)}`;
    this.#bulk = `/_bulk?filter_path=${encodeURIComponent(FILTER_PATH)}${pipeline}`;
    if (target.kind === "dataStream") this.#stream = new DataStream(this.#http, target.name);
  }

  encode(event: EventView, out: ByteWriter): void {
    this.#action.write(event, this.#shape.day(event), out);
    // OpenSearch ends on a StackOverflowError (2.19 at 600 levels, 3.6 at 550): such a thing must not be sent even once.
    if ((event.flags() & Flag.deep) !== 0) this.#shape.writeSafe(event, "nested too deep", out);
    else this.#shape.write(event, out);
    out.byte(NEWLINE);
  }

  frame(day: string): Frame | undefined {
    return this.#shape.isNative ? this.#action.frame(day) : undefined;
  }

  encodeSafe(event: EventView, reason: string, out: ByteWriter): void {
    this.#action.write(event, this.#shape.day(event), out);
    this.#shape.writeSafe(event, reason, out);
    out.byte(NEWLINE);
  }

  send(request: Request, signal: AbortSignal): Promise<Verdict | Verdict[]> {
    if (this.#stream && request.unsure) return this.#createMissing(this.#stream, request, signal);
    return this.#create(request, signal);
  }

  async #create({ body, encoding, count }: Body, signal: AbortSignal): Promise<Verdict | Verdict[]> {
    const answer = await this.#http.request({
      method: "POST",
      path: this.#bulk,
      headers: HEADERS[encoding],
      body,
      signal,
      spread: true,
      maxAnswer: MAX_ANSWER,
    });
    return bulkVerdicts(answer, count, this.#host.now());
  }

  /** Of what may be stored already, sends what is not. */
  async #createMissing(stream: DataStream, request: Request, signal: AbortSignal): Promise<Verdict | Verdict[]> {
    const ids = Array.from({ length: request.count }, (_, index) => request.id(index));
    const items = itemsOf(request);
    const found = await stream.find(ids, Math.min(...items.map(timeOf)), signal);
    if (!(found instanceof Set)) return found;
    if (found.size === 0) return this.#create(request, signal);
    const missing = ids.flatMap((id, index) => (found.has(id) ? [] : [index]));
    const verdicts: Verdict[] = ids.map(() => DUPLICATE);
    if (missing.length === 0) return verdicts;
    const body = Buffer.concat(missing.map((index) => items[index]));
    const answer = await this.#create({ body, encoding: "identity", count: missing.length }, signal);
    for (const [n, index] of missing.entries()) verdicts[index] = Array.isArray(answer) ? answer[n] : answer;
    return verdicts;
  }

  /** A key that may only write is answered with 403, and a proxy that lets only `_bulk` through may say 404, 405 or 501. */
  async probe(signal: AbortSignal): Promise<void> {
    const { status } = await this.#http.request({ method: "HEAD", path: "/", signal });
    if (status === 401) throw new Error("the server answers, but refuses the credentials (401)");
    if (!ANSWERS.has(status) && (status < 200 || status >= 300)) {
      throw new Error(`the server answers with ${status}`);
    }
    if (status !== 200) this.#host.log.debug({ status }, "The server answers, but not to GET /.");
  }

  /** The client is loaded here and in `expire` alone: sending needs nothing of it, and it is a third of what there is to load. */
  async setup(signal: AbortSignal): Promise<string[]> {
    const { setup } = await import("./elasticsearch/setup.js");
    return setup(this.#http, this.#setup, signal);
  }

  preview(): string {
    return preview(this.#setup);
  }

  async expire(expiry: Expiry, signal: AbortSignal): Promise<void> {
    const { expire } = await import("./elasticsearch/retention.js");
    return expire(this.#http, this.#setup, expiry, this.#host.now(), signal);
  }
}

/** Plain NDJSON and JSON: the one form that Elasticsearch 8, 9 and OpenSearch all take. */
const PLAIN = { "content-type": "application/x-ndjson", accept: "application/json" };
const HEADERS = { identity: PLAIN, gzip: { ...PLAIN, "content-encoding": "gzip" } };
/** Of a probe: somebody is there, who does not let us ask. */
const ANSWERS = new Set([403, 404, 405, 501]);
/** A bulk answer says at most some hundred bytes about a refused item. */
const MAX_ANSWER = 8 * 1024 ** 2;

/** The items of a request: an action and a document, a line each. */
function itemsOf({ body, encoding }: Body): Buffer[] {
  const bytes = encoding === "gzip" ? gunzipSync(body) : Buffer.from(body.buffer, body.byteOffset, body.length);
  const items: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, bytes.indexOf(NEWLINE, start) + 1) + 1;
    items.push(bytes.subarray(start, end));
    start = end;
  }
  return items;
}

const TIMESTAMP = '"@timestamp":"';

/** Epoch milliseconds of an item's event, by the last member of this name: ours. Infinite if it says none. */
function timeOf(item: Buffer): number {
  const at = item.lastIndexOf(TIMESTAMP, undefined, "latin1") + TIMESTAMP.length;
  const time = Date.parse(item.toString("latin1", at, item.indexOf('"', at, "latin1")));
  return Number.isNaN(time) ? Number.POSITIVE_INFINITY : time;
}
