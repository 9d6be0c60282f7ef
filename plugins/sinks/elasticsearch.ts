import type { Client } from "@elastic/elasticsearch";
import {
  AuditshipError,
  type ByteWriter,
  defineSink,
  duration,
  type EventView,
  httpShape,
  type Request,
  retry,
  type SendingSink,
  type SinkHost,
  split,
  type Verdict,
  type Zod,
} from "../../src/plugin/index.js";
import { AnswerTooLong, answerOf, createClient, isNoJson } from "./elasticsearch/client.js";
import { safeDocument } from "./elasticsearch/safe-shape.js";
import { setup } from "./elasticsearch/setup.js";
import { FILTER_PATH, itemVerdicts, requestVerdict } from "./elasticsearch/verdicts.js";

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
      .describe("How long setup's lifecycle policy keeps events, or none: for ever."),
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
  readonly #client: Client;
  readonly #retention: Options["retention"];
  readonly #index: string;
  #day = "";
  /** The action line of `#day` up to the id. */
  #action = Buffer.alloc(0);

  constructor(options: Options, host: SinkHost) {
    this.#host = host;
    this.#index = indexName(options.index, host.cluster);
    this.#retention = options.retention;
    this.#client = createClient(host.http(options));
  }

  encode(event: EventView, out: ByteWriter): void {
    this.#writeAction(event.day(), event.id(), out);
    event.writeDocument(out);
    out.byte(NEWLINE);
  }

  encodeSafe(event: EventView, reason: string, out: ByteWriter, id: string): void {
    const { text, time } = safeDocument(event, reason);
    this.#writeAction(time?.slice(0, 10).replaceAll("-", ".") ?? event.day(), id, out);
    out.text(text);
    out.byte(NEWLINE);
  }

  async send(request: Request, signal: AbortSignal): Promise<Verdict | Verdict[]> {
    try {
      const answer = await this.#client.transport.request(
        {
          method: "POST",
          path: "/_bulk",
          querystring: { filter_path: FILTER_PATH },
          // The types know no buffers here; the transport sends them as they are.
          bulkBody: request.body as unknown as string,
        },
        { headers: request.encoding === "gzip" ? { "content-encoding": "gzip" } : {}, signal, meta: true },
      );
      if (answer.statusCode !== 200) return requestVerdict({ status: answer.statusCode, error: {} }, this.#host.now());
      return itemVerdicts(answer.body, request.count);
    } catch (cause) {
      if (cause instanceof AnswerTooLong) return split(cause.message);
      if (isNoJson(cause)) return retry("nonsense answer: it is not JSON");
      const answer = answerOf(cause);
      if (!answer) throw cause;
      return requestVerdict(answer, this.#host.now());
    }
  }

  /** A 403 is an answer: a key that may only write cannot ask for more. */
  async probe(signal: AbortSignal): Promise<void> {
    try {
      await this.#client.transport.request({ method: "HEAD", path: "/" }, { signal });
    } catch (cause) {
      const answer = answerOf(cause);
      if (!answer) throw cause;
      if (answer.status === 401) throw new Error("the server answers, but refuses the credentials (401)");
      if (answer.status !== 403) throw new Error(`the server answers with ${answer.status}`);
      this.#host.log.debug({ status: 403 }, "The server answers; our credentials do not cover GET /.");
    }
  }

  setup(signal: AbortSignal): Promise<string[]> {
    const pattern = this.#index.replace("{date}", "*");
    const retention = this.#retention === "none" ? undefined : this.#retention;
    return setup(this.#client, { pattern, daily: pattern !== this.#index, retention }, signal);
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  #writeAction(day: string, id: string, out: ByteWriter): void {
    if (day !== this.#day) {
      this.#day = day;
      this.#action = Buffer.from(`{"create":{"_index":"${this.#index.replace("{date}", day)}","_id":"`);
    }
    out.copy(this.#action);
    out.text(id);
    out.copy(ACTION_END);
  }
}

const ACTION_END = Buffer.from('"}}\n');
const NEWLINE = 0x0a;

/** The configured name with the cluster filled in; `{date}` stays. Throws AUDITSHIP_CONFIG_VALUE. */
function indexName(name: string, cluster: string): string {
  if (name.includes("{cluster}") && cluster === "") {
    throw new AuditshipError("AUDITSHIP_CONFIG_VALUE", `index ${name} needs a cluster's name: set cluster.`);
  }
  const filled = name.replaceAll("{cluster}", cluster.toLowerCase());
  // Elasticsearch's rules for names, and no variable but one {date}.
  if (!/^(?=[^{}]*(\{date\})?[^{}]*$)[a-z0-9.{][a-z0-9._{}-]{0,200}$/.test(filled) || /^\.{1,2}$/.test(filled)) {
    throw new AuditshipError(
      "AUDITSHIP_CONFIG_VALUE",
      `index ${filled} is not an index name: lower-case letters, digits, ".", "-" and "_", with {date} at most once.`,
    );
  }
  return filled;
}
