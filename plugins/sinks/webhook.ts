import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import {
  AuditshipError,
  type ByteWriter,
  DONE,
  defineSink,
  type EventView,
  endpoint,
  type HttpClient,
  httpShape,
  type Request,
  reject,
  retry,
  type SendingSink,
  type SinkHost,
  type Verdict,
  type Zod,
} from "../../src/plugin/index.js";
import { verdictOf } from "./webhook/answer.js";
import type { Format } from "./webhook/format.js";
import { FORMATS } from "./webhook/formats.js";
import { type Item, items, writeItem } from "./webhook/items.js";

const options = (zod: Zod) => {
  const { urls, ...http } = httpShape(zod);
  return zod.strictObject({
    url: endpoint(zod).optional().describe("Where to post."),
    urls: urls.optional().describe("Several URLs, tried in turn; instead of url."),
    ...http,
    format: zod
      .enum(["events", "cloudevents", "kubesphere", "falco", "alertmanager"])
      .default("events")
      .describe(
        "events: an audit.k8s.io/v1 EventList. cloudevents: CloudEvents 1.0 as JSON. kubesphere: events as KubeSphere posts them to its receivers. falco: alerts as falcosidekick accepts them. alertmanager: notifications as Alertmanager posts them to webhooks (for Alertmanager itself use the sink alertmanager).",
      ),
    batch: zod
      .boolean()
      .optional()
      .describe(
        "Many events in one request, or one by one. Default: true if the format can hold several (not falco and kubesphere).",
      ),
    secretFile: zod
      .string()
      .optional()
      .describe(
        "File with the keys of the header X-Auditship-Signature, one per line: t=<unix seconds>,v1=<hex HMAC-SHA256 of t, a dot and the body before compression>, with a v1 for each key. Read again for each request.",
      ),
  });
};

type Options = ReturnType<ReturnType<typeof options>["parse"]>;

/** Posts events to an HTTP endpoint, in order, at least once; every event carries its id. */
export default defineSink({
  kind: "sink",
  name: "webhook",
  options,
  anyOrder: true,
  defaults: { select: "alerting", maxWait: 50, concurrency: 1, compression: "none" },
  create: (options, host) => new Webhook(options as Options, host),
});

class Webhook implements SendingSink {
  readonly mode = "send";
  readonly ordered = true;
  readonly gzip: boolean;
  readonly maxEvents: number | undefined;
  readonly #host: SinkHost;
  readonly #http: HttpClient;
  readonly #format: Format;
  readonly #batch: boolean;
  readonly #secretFile: string | undefined;
  /** The event whose first messages were taken before one had to wait, and how many: those are not posted again. */
  #begun: { id: string; taken: number } | undefined;

  constructor(options: Options, host: SinkHost) {
    const { url, urls = url === undefined ? [] : [url], format, batch, secretFile, ...http } = options;
    this.#host = host;
    this.#format = FORMATS[format](host);
    if (urls.length === 0 || (url !== undefined && options.urls !== undefined)) {
      throw this.#wrong("a webhook needs url or urls, one of them.");
    }
    if (batch && this.#format.batchType === undefined) {
      throw this.#wrong(`format ${format} has no form for many in one request; leave batch out.`);
    }
    this.#http = host.http({ ...http, urls });
    this.#batch = batch ?? this.#format.batchType !== undefined;
    this.gzip = this.#batch;
    this.maxEvents = this.#batch ? undefined : 1;
    this.#secretFile = secretFile && host.resolve(secretFile);
  }

  encode(event: EventView, out: ByteWriter): void {
    writeItem(out, event, this.#format);
  }

  async send(request: Request, signal: AbortSignal): Promise<Verdict | Verdict[]> {
    const zipped = request.encoding === "gzip";
    const all = items(zipped ? await promisify(gunzip)(request.body) : request.body);
    if (!this.#batch) return this.#postEach(all, signal);
    const messages = all.flatMap((item) => item.messages);
    return this.#post(messages, keyOf(all[0], all[all.length - 1]), zipped, signal);
  }

  /** Any answer but a failure of the server will do: few receivers know HEAD. */
  async probe(signal: AbortSignal): Promise<void> {
    const { status } = await this.#http.request({ method: "HEAD", path: "", maxAnswer: 0, signal });
    if (status >= 500 && status !== 501) throw new Error(`the receiver answers with ${status}`);
  }

  /** One by one and in order, as those of one line: after one that has to wait, the others wait too. */
  async #postEach(all: readonly Item[], signal: AbortSignal): Promise<Verdict[]> {
    const verdicts: Verdict[] = [];
    for (const item of all) {
      const last = verdicts.at(-1);
      verdicts.push(last && waits(last) ? last : await this.#postOne(item, signal));
    }
    return verdicts;
  }

  /** All messages of an event. A refused one does not keep the others back, but makes the event refused. */
  async #postOne(item: Item, signal: AbortSignal): Promise<Verdict> {
    let outcome = DONE;
    for (let taken = this.#begun?.id === item.id ? this.#begun.taken : 0; taken < item.messages.length; taken++) {
      const key = keyOf(item, item) + (taken > 0 ? `/${taken + 1}` : "");
      const verdict = await this.#post([item.messages[taken]], key, false, signal).catch((error: Error) =>
        retry(error.message),
      );
      if (waits(verdict)) {
        this.#begun = { id: item.id, taken };
        return verdict;
      }
      // One that is too large cannot be halved.
      if (verdict.kind === "split") outcome = reject(verdict.reason);
      if (verdict.kind === "reject") outcome = verdict;
    }
    this.#begun = undefined;
    return outcome;
  }

  async #post(messages: readonly Uint8Array[], key: string, zipped: boolean, signal: AbortSignal): Promise<Verdict> {
    const { type, batchType } = this.#format;
    const body = this.#format.body(messages, this.#batch);
    const answer = await this.#http.request({
      method: "POST",
      path: "",
      headers: {
        "content-type": (this.#batch && batchType) || type,
        "idempotency-key": key,
        ...(zipped ? { "content-encoding": "gzip" } : {}),
        ...(await this.#signature(body)),
      },
      body: zipped ? await promisify(gzip)(body, { level: 1 }) : body,
      maxAnswer: 0,
      signal,
    });
    return verdictOf(answer, this.#host.now());
  }

  async #signature(body: Uint8Array): Promise<Record<string, string>> {
    if (this.#secretFile === undefined) return {};
    // Read each time, so that a renewed secret is used at once.
    const secrets = (await readFile(this.#secretFile, "utf8")).split("\n").map((line) => line.trim());
    const keys = secrets.filter((secret) => secret !== "");
    if (keys.length === 0) throw new Error(`secretFile ${this.#secretFile} is empty`);
    const time = Math.floor(this.#host.now() / 1000);
    const macs = keys.map((key) => `v1=${createHmac("sha256", key).update(`${time}.`).update(body).digest("hex")}`);
    return { "x-auditship-signature": [`t=${time}`, ...macs].join(",") };
  }

  #wrong(what: string): AuditshipError {
    return new AuditshipError("AUDITSHIP_CONFIG_VALUE", `sink ${this.#host.name}: ${what}`);
  }
}

const keyOf = (first: Item, last: Item): string => `${first.id}..${last.id}`;

/** True if what comes after it has to wait, so that the order is kept. */
const waits = ({ kind }: Verdict): boolean => kind === "retry" || kind === "stop";
