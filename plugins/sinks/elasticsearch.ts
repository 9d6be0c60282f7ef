import {
  type ByteWriter,
  defineSink,
  duration,
  type EventView,
  type Expiry,
  type HttpClient,
  httpShape,
  type Request,
  type SendingSink,
  type SinkHost,
  type Verdict,
  type Zod,
} from "../../src/plugin/index.js";
import { preview, type SetupOptions } from "./elasticsearch/preview.js";
import { writeSafeDocument } from "./elasticsearch/safe-shape.js";
import { indexOf, type Target, targetOf } from "./elasticsearch/target.js";
import { bulkVerdicts, FILTER_PATH } from "./elasticsearch/verdicts.js";

const options = (zod: Zod) =>
  zod.strictObject({
    ...httpShape(zod),
    index: zod
      .string()
      .default("audit-{date}")
      .describe("Name of the index: {date} is the event's UTC day (YYYY.MM.DD), {cluster} the configured cluster."),
    shape: zod.enum(["native"]).default("native").describe("native: the line as written and two members."),
    retention: zod
      .union([zod.literal("none"), duration()])
      .prefault("7d")
      .describe(
        "How long events are kept, or none: for ever. By the lifecycle policy that setup makes, or by auditship retention.",
      ),
  });

type Options = ReturnType<ReturnType<typeof options>["parse"]>;

/** Elasticsearch and OpenSearch, by `_bulk` with `create` and our `_id`: at least once, stored once. DESIGN §2, §6. */
export default defineSink({
  kind: "sink",
  name: "elasticsearch",
  options,
  defaults: { select: "all", maxWait: 1000, concurrency: 2, compression: "gzip" },
  create: (options, host) => new Elasticsearch(options as Options, host),
});

class Elasticsearch implements SendingSink {
  readonly mode = "send";
  readonly ordered = false;
  readonly gzip = true;
  readonly #host: SinkHost;
  readonly #http: HttpClient;
  readonly #target: Target;
  readonly #setup: SetupOptions;
  #day = "";
  /** The action line of `#day` up to the id. */
  #action = Buffer.alloc(0);

  constructor(options: Options, host: SinkHost) {
    this.#host = host;
    this.#target = targetOf(options, host.cluster);
    const retention = options.retention === "none" ? undefined : options.retention;
    this.#setup = { target: this.#target, shape: options.shape, retention };
    this.#http = host.http(options);
  }

  encode(event: EventView, out: ByteWriter): void {
    this.#openAction(event.day(), out);
    event.writeId(out);
    out.copy(ACTION_END);
    event.writeDocument(out);
    out.byte(NEWLINE);
  }

  encodeSafe(event: EventView, reason: string, out: ByteWriter): void {
    this.#openAction(event.day(), out);
    event.writeId(out);
    out.copy(ACTION_END);
    writeSafeDocument(event, reason, out);
    out.byte(NEWLINE);
  }

  async send(request: Request, signal: AbortSignal): Promise<Verdict | Verdict[]> {
    const answer = await this.#http.request({
      method: "POST",
      path: BULK,
      headers: request.encoding === "gzip" ? { ...HEADERS, "content-encoding": "gzip" } : HEADERS,
      body: request.body,
      signal,
      spread: true,
      maxAnswer: MAX_ANSWER,
    });
    return bulkVerdicts(answer, request.count, this.#host.now());
  }

  /** A 403 is an answer: a key that may only write cannot ask for more. So is a 404, of a proxy that lets only `_bulk` through. */
  async probe(signal: AbortSignal): Promise<void> {
    const { status } = await this.#http.request({ method: "HEAD", path: "/", signal });
    if (status === 401) throw new Error("the server answers, but refuses the credentials (401)");
    if (status !== 403 && status !== 404 && (status < 200 || status >= 300)) {
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

  /** Appends the action line up to the id. */
  #openAction(day: string, out: ByteWriter): void {
    if (day !== this.#day) {
      this.#day = day;
      this.#action = Buffer.from(`{"create":{"_index":"${indexOf(this.#target, day)}","_id":"`);
    }
    out.copy(this.#action);
  }
}

/** Plain NDJSON and JSON: the one form that Elasticsearch 8, 9 and OpenSearch all take. */
const HEADERS = { "content-type": "application/x-ndjson", accept: "application/json" };
const BULK = `/_bulk?filter_path=${encodeURIComponent(FILTER_PATH)}`;
/** A bulk answer says at most some hundred bytes about a refused item. */
const MAX_ANSWER = 8 * 1024 ** 2;

const ACTION_END = Buffer.from('"}}\n');
const NEWLINE = 0x0a;
