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
  type HttpAnswer,
  type HttpClient,
  httpShape,
  type Request,
  reject,
  retry,
  retryAfter,
  retrySlowly,
  type SendingSink,
  type SinkHost,
  split,
  type Verdict,
  type Zod,
} from "../../src/plugin/index.js";
import { FORMATS, type Format } from "./webhook/formats.js";
import { frame, type Item, items, writeItem } from "./webhook/items.js";

const options = (zod: Zod) => {
  const { urls, ...http } = httpShape(zod);
  return zod.strictObject({
    url: endpoint(zod).optional().describe("Where to post."),
    urls: urls.optional().describe("Several of it, tried in turn; instead of url."),
    ...http,
    format: zod
      .enum(["events", "cloudevents"])
      .default("events")
      .describe("events: an audit.k8s.io/v1 EventList. cloudevents: CloudEvents 1.0 as JSON."),
    batch: zod.boolean().default(true).describe("Many events in one request; false: one by one."),
    secretFile: zod
      .string()
      .optional()
      .describe(
        "Key of X-Auditship-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of t, a dot and the body before compression>.",
      ),
  });
};

type Options = ReturnType<ReturnType<typeof options>["parse"]>;

/** Posts events to an HTTP endpoint, in order, at least once; every event carries its id. DESIGN §2, §6. */
export default defineSink({
  kind: "sink",
  name: "webhook",
  options,
  defaults: { select: "alerting", maxWait: 50, concurrency: 1, compression: "none" },
  create: (options, host) => new Webhook(options as Options, host),
});

class Webhook implements SendingSink {
  readonly mode = "send";
  readonly ordered = true;
  readonly gzip: boolean;
  readonly #host: SinkHost;
  readonly #http: HttpClient;
  readonly #format: Format;
  readonly #batch: boolean;
  readonly #secretFile: string | undefined;

  constructor(options: Options, host: SinkHost) {
    const { url, urls = url === undefined ? [] : [url], format, batch, secretFile, ...http } = options;
    if (urls.length === 0 || (url !== undefined && options.urls !== undefined)) {
      throw new AuditshipError(
        "AUDITSHIP_CONFIG_VALUE",
        `sink ${host.name}: a webhook needs url or urls, one of them.`,
      );
    }
    this.#host = host;
    this.#http = host.http({ ...http, urls });
    this.#format = FORMATS[format](host);
    this.#batch = batch;
    this.gzip = batch;
    this.#secretFile = secretFile && host.resolve(secretFile);
  }

  encode(event: EventView, out: ByteWriter): void {
    writeItem(out, event, this.#format);
  }

  async send(request: Request, signal: AbortSignal): Promise<Verdict | Verdict[]> {
    const zipped = request.encoding === "gzip";
    const all = items(zipped ? await promisify(gunzip)(request.body) : request.body);
    return this.#batch ? this.#post(all, zipped, signal) : this.#postEach(all, signal);
  }

  /** Any answer but a failure of the server will do: few receivers know HEAD. */
  async probe(signal: AbortSignal): Promise<void> {
    const { status } = await this.#http.request({ method: "HEAD", path: "", signal });
    if (status >= 500 && status !== 501) throw new Error(`the receiver answers with ${status}`);
  }

  /** One by one and in order: after one that has to wait, the others wait too. */
  async #postEach(all: readonly Item[], signal: AbortSignal): Promise<Verdict[]> {
    const verdicts: Verdict[] = [];
    for (const item of all) {
      const last = verdicts.at(-1);
      if (last?.kind === "retry") verdicts.push(last);
      else verdicts.push(await this.#post([item], false, signal).catch((error: Error) => retry(error.message)));
    }
    return verdicts;
  }

  async #post(all: readonly Item[], zipped: boolean, signal: AbortSignal): Promise<Verdict> {
    const body = frame(this.#format, all, this.#batch);
    const answer = await this.#http.request({
      method: "POST",
      path: "",
      headers: {
        "content-type": this.#batch ? this.#format.batchType : this.#format.type,
        "idempotency-key": `${all[0].id}..${all[all.length - 1].id}`,
        ...(zipped ? { "content-encoding": "gzip" } : {}),
        ...(await this.#signature(body)),
      },
      body: zipped ? await promisify(gzip)(body, { level: 1 }) : body,
      signal,
    });
    return verdict(answer, this.#host.now());
  }

  async #signature(body: Uint8Array): Promise<Record<string, string>> {
    if (this.#secretFile === undefined) return {};
    // Read each time, so that a renewed secret is used at once.
    const secret = (await readFile(this.#secretFile, "utf8")).trim();
    if (secret === "") throw new Error(`secretFile ${this.#secretFile} is empty`);
    const time = Math.floor(this.#host.now() / 1000);
    const mac = createHmac("sha256", secret).update(`${time}.`).update(body).digest("hex");
    return { "x-auditship-signature": `t=${time},v1=${mac}` };
  }
}

function verdict({ status, headers }: HttpAnswer, now: number): Verdict {
  if (status >= 200 && status < 300) return DONE;
  if (status < 400) return retrySlowly(`redirected (${status}); redirects are not followed`);
  if (status === 410) return retrySlowly("the receiver is gone (410)");
  if (status === 413) return split("the request is too large (413)");
  if (status >= 500 || RETRIED.has(status))
    return retry(`the receiver is busy or failing (${status})`, retryAfter(headers["retry-after"], now));
  return reject(`refused (${status})`);
}

const RETRIED = new Set([408, 425, 429]);
