import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import { finished } from "node:stream/promises";
import { AuditshipError, type FreshFile } from "../plugin/index.js";
import { type Receiver, receive } from "./receive.js";

export interface ServerOptions {
  /** `host:port`, `:port` or `[IPv6]:port`. */
  listen: string;
  /** Undefined: plain HTTP. */
  tls?: { cert: FreshFile; key: FreshFile; clientCa: FreshFile | undefined };
}

/** Connections at one time. An API server keeps a handful. */
const MAX_CONNECTIONS = 256;
/** Milliseconds between looks at the certificates. */
const RENEWAL = 10_000;

/** Milliseconds that a stop waits for bodies that are being received. */
const PATIENCE = 2000;
/** Milliseconds that who was answered before he had sent all may go on sending. */
const LINGER = 10_000;

const BOUNDS = { maxHeaderSize: 16 * 1024, headersTimeout: 10_000, requestTimeout: 60_000, keepAliveTimeout: 90_000 };

/** Listens for events that are posted. */
export class IntakeServer {
  readonly #server: Server;
  readonly #renewal: NodeJS.Timeout | undefined;

  private constructor(server: Server, renewal?: NodeJS.Timeout) {
    this.#server = server;
    this.#renewal = renewal;
  }

  /** Throws AUDITSHIP_CONFIG_VALUE if the address cannot be had or a certificate cannot be read. */
  static async start({ listen, tls }: ServerOptions, receiver: Receiver): Promise<IntakeServer> {
    const onRequest = (request: IncomingMessage, response: ServerResponse) => void respond(request, response, receiver);
    const failed = (what: string) => (cause: Error) => {
      throw new AuditshipError("AUDITSHIP_CONFIG_VALUE", `sources.${receiver.name}: ${what}: ${cause.message}`);
    };
    if (!tls) {
      const server = createServer(BOUNDS, onRequest);
      await bind(server, listen).catch(failed(`cannot listen on ${listen}`));
      return new IntakeServer(server);
    }
    const context = await secureContext(tls).catch(failed("tls"));
    let server: TlsServer;
    try {
      const requestCert = tls.clientCa !== undefined;
      server = createTlsServer({ ...BOUNDS, ...context, requestCert, rejectUnauthorized: false }, onRequest);
    } catch (cause) {
      return failed("tls")(cause as Error);
    }
    await bind(server, listen).catch(failed(`cannot listen on ${listen}`));
    return new IntakeServer(server, renew(server, tls, context, receiver));
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Resolves when all that was received is answered. Who has not sent all of a body in time is cut off, and sends it again. */
  async close(): Promise<void> {
    clearInterval(this.#renewal);
    // Who posts on and on over one connection is to open another one, elsewhere.
    this.#server.on("request", (_request, response) => response.setHeader("connection", "close"));
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const cut = setTimeout(() => this.#server.closeAllConnections(), PATIENCE);
    await closed;
    clearTimeout(cut);
  }
}

async function respond(request: IncomingMessage, response: ServerResponse, receiver: Receiver): Promise<void> {
  const { status, text, retryAfter } = await receive(request, receiver);
  const body = Buffer.from(`${text}\n`);
  // What is left of a body that nobody reads would be taken for the next request.
  if (!request.complete) response.setHeader("connection", "close");
  if (retryAfter !== undefined) response.setHeader("retry-after", retryAfter);
  response
    .writeHead(status, { "content-type": "text/plain; charset=utf-8", "content-length": body.length })
    .write(body);
  if (!request.complete) await passOver(request);
  response.end();
}

/** Reads the rest of a body for nobody: a connection that is closed while the other side sends takes the answer with it. */
async function passOver(request: IncomingMessage): Promise<void> {
  await finished(request.resume(), { signal: AbortSignal.timeout(LINGER) }).catch(() => {});
}

async function bind(server: Server, listen: string): Promise<void> {
  const at = listen.lastIndexOf(":");
  const host = listen.slice(0, at).replace(/^\[|\]$/g, "");
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(Number(listen.slice(at + 1)), host || undefined, resolve);
  });
}

interface SecureContext {
  cert: Buffer;
  key: Buffer;
  ca: Buffer | undefined;
}

async function secureContext({ cert, key, clientCa }: NonNullable<ServerOptions["tls"]>): Promise<SecureContext> {
  return { cert: await cert.read(), key: await key.read(), ca: await clientCa?.read() };
}

/** Takes renewed certificates over, for connections that come then. */
function renew(
  server: TlsServer,
  tls: NonNullable<ServerOptions["tls"]>,
  current: SecureContext,
  { name, log }: Receiver,
): NodeJS.Timeout {
  return setInterval(async () => {
    try {
      const now = await secureContext(tls);
      if (now.cert === current.cert && now.key === current.key && now.ca === current.ca) return;
      server.setSecureContext(now);
      current = now;
      log.info({ source: name }, "Certificates of the webhook source renewed.");
    } catch (error) {
      log.warn({ source: name, error: (error as Error).message }, "Certificates cannot be renewed; the old ones stay.");
    }
  }, RENEWAL).unref();
}
