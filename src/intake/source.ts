import { join } from "node:path";
import { address } from "../plugin/address.js";
import {
  AuditshipError,
  defineSource,
  FreshFile,
  type Lag,
  type Loss,
  type Position,
  type Reader,
  rate,
  type Source,
  type SourceContext,
  type StartPoint,
  type StoredPosition,
  size,
} from "../plugin/index.js";
import { FileSource } from "../tail/source.js";
import { Bounds } from "./bounds.js";
import type { Receiver } from "./receive.js";
import { IntakeServer } from "./server.js";
import { Spool } from "./spool.js";

/** The spool's files are rotated at this size, or at an eighth of the spool's. */
const SEGMENT = 16 * 1024 ** 2;
/** Bytes of the disk that are left to others: on a full one no cursor can be written, and so no file be released. */
const MIN_FREE = 8 * 1024 ** 2;
/** Of the spool's size, how much a body may be: so it has room for one beside what is left in it when all is read. */
const BODY_SHARE = 1 / 4;
/** Milliseconds between looks at the spool where the kernel tells of no change. */
const POLL = 250;

const UNGUARDED = "say who may post: tls.clientCaFile, auth.tokenFile, or auth: none for everybody";

/**
 * Events that an API server posts: into a spool first, which is then read as any audit log is. So a crash loses nothing that was
 * answered, and a sink that is down holds nobody up until the spool is full.
 */
export class IntakeSource implements Source {
  readonly #files: FileSource;
  readonly #spool: Spool;
  readonly #context: SourceContext;
  #begun = false;
  server: IntakeServer | undefined;

  constructor(spool: Spool, files: FileSource, context: SourceContext) {
    this.#spool = spool;
    this.#files = files;
    this.#context = context;
  }

  get onLoss(): (loss: Loss) => void {
    return this.#files.onLoss;
  }

  set onLoss(listener: (loss: Loss) => void) {
    this.#files.onLoss = listener;
  }

  set onChange(listener: () => void) {
    this.#files.onChange = listener;
  }

  reader(start: StartPoint): Promise<Reader> {
    return this.#files.reader(start);
  }

  locate(stored: StoredPosition): Position | undefined {
    return this.#files.locate(stored);
  }

  end(): Position | undefined {
    return this.#files.end();
  }

  lag(position: Position | undefined): Lag {
    return this.#files.lag(position);
  }

  state(oldest: Position | undefined): object {
    return this.#files.state(oldest);
  }

  begin(): void {
    this.#begun = true;
  }

  /** A sink that begins at the end would pass over what was taken before. */
  get begun(): boolean {
    return this.#begun;
  }

  release(oldest: Position): void {
    this.#files.release(oldest);
    const { log, name } = this.#context;
    this.#spool.release(this.#files.before(oldest)).catch((error: Error) => {
      log.warn({ source: name, error: error.message }, "A spooled file that nobody needs cannot be deleted.");
    });
  }

  measure(): void {
    this.#context.meter.set("auditship_intake_spool_bytes", this.#spool.bytes, this.#context.name);
  }

  async close(): Promise<void> {
    await this.server?.close();
    await this.#spool.close();
    await this.#files.close();
  }
}

export default defineSource({
  kind: "source",
  name: "webhook",
  options: (z) =>
    z
      .strictObject({
        listen: address().describe("Address to accept posts at, on the paths /audit/webhook/event and /."),
        tls: z
          .strictObject({
            certFile: z
              .string()
              .describe("The server's certificate (PEM). Read again when it changes, like all files here."),
            keyFile: z.string().describe("Its private key (PEM)."),
            clientCaFile: z
              .string()
              .optional()
              .describe("CA (PEM) that signs the certificates of clients that may post."),
          })
          .optional()
          .describe("Without it, events arrive in clear text."),
        auth: z
          .union([z.literal("none"), z.strictObject({ tokenFile: z.string().describe("File with the bearer token.") })])
          .optional()
          .describe(
            "Who may post without a client certificate: whoever presents the token, or with none everybody, as in KubeSphere's documentation.",
          ),
        spool: z
          .string()
          .optional()
          .describe("Directory where events wait; as secret as an audit log. Default: in the state directory."),
        spoolSize: size().prefault("1GiB").describe("Most bytes that may wait; beyond that posts are answered 429."),
        maxBody: size()
          .prefault("32MiB")
          .describe("Largest body accepted, at most a quarter of spoolSize; a larger one is answered 413, and lost."),
        rate: rate().optional().describe("Most bytes accepted per second; beyond that posts are answered 429."),
      })
      .refine(({ tls, auth }) => auth !== undefined || tls?.clientCaFile !== undefined, UNGUARDED),
  async open({ listen, tls, auth, spool: path, spoolSize, rate, ...options }, context) {
    const { name, log, meter, resolve, now } = context;
    const clientCa = tls?.clientCaFile;
    const directory = path === undefined ? context.stateDirectory() : resolve(path);
    const maxBody = Math.min(options.maxBody, Math.floor(spoolSize * BODY_SHARE));
    const segmentBytes = Math.min(SEGMENT, Math.ceil(spoolSize / 8));
    const spool = new Spool({ directory, maxBytes: spoolSize, segmentBytes, minFree: MIN_FREE }, now);
    await spool.open().catch((cause: Error) => {
      throw new AuditshipError("AUDITSHIP_SOURCE_SPOOL", `sources.${name}: the spool ${directory}: ${cause.message}`);
    });
    const files = await new FileSource({ path: join(directory, "audit.log"), poll: POLL }, context).open();
    const source = new IntakeSource(spool, files, context);
    if (context.once) return source;
    const file = (at: string, key: string) => new FreshFile(resolve(at), `sources.${name}.${key}`);
    const token = typeof auth === "object" ? file(auth.tokenFile, "auth.tokenFile") : undefined;
    const receiver: Receiver = {
      name,
      begun: () => source.begun,
      spool,
      guard: auth === "none" ? { certificate: false, token } : { certificate: clientCa !== undefined, token },
      bounds: new Bounds(2 * maxBody, rate, now),
      maxBody,
      log,
      meter,
    };
    try {
      source.server = await IntakeServer.start(
        {
          listen,
          tls: tls && {
            cert: file(tls.certFile, "tls.certFile"),
            key: file(tls.keyFile, "tls.keyFile"),
            clientCa: clientCa === undefined ? undefined : file(clientCa, "tls.clientCaFile"),
          },
        },
        receiver,
      );
    } catch (error) {
      await source.close();
      throw error;
    }
    warn(context, auth, tls !== undefined);
    log.info({ source: name, listen, port: source.server.port, spool: directory }, "Listening for events.");
    return source;
  },
});

function warn({ name, log }: SourceContext, auth: unknown, secured: boolean): void {
  if (auth === "none") log.warn({ source: name }, "Whoever reaches this source may post events (auth: none).");
  if (!secured) log.warn({ source: name }, "Events are posted in clear text: the source has no tls.");
}
