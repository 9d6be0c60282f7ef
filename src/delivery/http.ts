import type { ConnectionOptions } from "node:tls";
import { buildConnector, type Dispatcher, Pool } from "undici";
import type { HttpAnswer, HttpClient, HttpOptions, HttpRequest, Logger } from "../plugin/index.js";
import { createAuthorization } from "./authorization.js";
import { FreshFile } from "./fresh-file.js";

export interface HttpDeps {
  log: Logger;
  /** Resolves a path of the configuration. */
  resolve(path: string): string;
  /** `auditship/1.2.3`. */
  userAgent: string;
}

/**
 * The HTTP client of all network sinks: keep-alive connections per endpoint, failover, credentials and certificates that
 * are read again when their files change, and bounds on time and on the answer's size. Redirects are not followed.
 */
export function createHttp(options: HttpOptions, deps: HttpDeps): HttpClient & { close(): Promise<void> } {
  return new Http(options, deps);
}

const DEFAULT_TIMEOUT = 30_000;
const CONNECT_TIMEOUT = 10_000;
const MAX_ANSWER = 1024 ** 2;
/** Shorter than what servers and load balancers commonly allow, so that we rarely send into a closing connection. */
const KEEP_ALIVE = 20_000;

interface Endpoint {
  readonly url: URL;
  pool: Pool;
}

class Http implements HttpClient {
  readonly #options: HttpOptions;
  readonly #timeout: number;
  readonly #userAgent: string;
  readonly #authorization: () => Promise<string | undefined>;
  readonly #tls: () => Promise<ConnectionOptions>;
  /** What the pools were made with. */
  #connection: ConnectionOptions | undefined;
  #endpoints: Endpoint[] = [];
  /** The endpoint that is tried first: the last one that did not fail. */
  #first = 0;
  /** Errors of connections that never came to be: the request was not sent, so another endpoint may take it. */
  readonly #unsent = new WeakSet<object>();

  constructor(options: HttpOptions, deps: HttpDeps) {
    this.#options = options;
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT;
    this.#userAgent = deps.userAgent;
    this.#authorization = createAuthorization(options.auth, deps.resolve);
    this.#tls = createTls(options.tls, deps.resolve);
    if (options.tls?.insecureSkipVerify) {
      deps.log.warn(
        { urls: options.urls.map(origin) },
        "Server certificates are not verified (tls.insecureSkipVerify).",
      );
    }
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    const { endpoints, headers } = await this.#prepare(request);
    const failures: string[] = [];
    for (let turn = this.#first, left = endpoints.length; left > 0; turn++, left--) {
      const index = turn % endpoints.length;
      try {
        return await this.#send(endpoints[index], request, headers);
      } catch (error) {
        if (request.signal?.aborted) throw error;
        if (this.#first === index) this.#first = (index + 1) % endpoints.length;
        failures.push((error as Error).message);
        if (!this.#unsent.has(error as Error)) break;
      }
    }
    throw new Error(failures.join("; "));
  }

  async requestAll(request: HttpRequest): Promise<PromiseSettledResult<HttpAnswer>[]> {
    const { endpoints, headers } = await this.#prepare(request);
    return Promise.allSettled(endpoints.map((endpoint) => this.#send(endpoint, request, headers)));
  }

  async close(): Promise<void> {
    await Promise.all(this.#endpoints.map(({ pool }) => pool.destroy()));
  }

  /** Endpoints with the certificates of now, and the headers with the credentials of now. */
  async #prepare(request: HttpRequest): Promise<{ endpoints: Endpoint[]; headers: Record<string, string> }> {
    const [connection, authorization] = await Promise.all([this.#tls(), this.#authorization()]);
    if (connection !== this.#connection) this.#connect(connection);
    const headers: Record<string, string> = { "user-agent": this.#userAgent };
    for (const more of [this.#options.headers, authorization ? { authorization } : {}, request.headers]) {
      for (const [name, value] of Object.entries(more ?? {})) headers[name.toLowerCase()] = value;
    }
    return { endpoints: this.#endpoints, headers };
  }

  #connect(connection: ConnectionOptions): void {
    for (const { pool } of this.#endpoints) void pool.close();
    this.#connection = connection;
    this.#endpoints = this.#options.urls.map((text) => {
      const url = new URL(text);
      return { url, pool: new Pool(url.origin, { connect: this.#connector(connection), ...POOL }) };
    });
  }

  #connector(connection: ConnectionOptions): buildConnector.connector {
    const timeout = Math.min(CONNECT_TIMEOUT, this.#timeout / 2);
    const connect = buildConnector({ ...(connection as buildConnector.BuildOptions), timeout });
    return (options, callback) =>
      connect(options, (...result) => {
        if (result[0]) this.#unsent.add(result[0]);
        callback(...result);
      });
  }

  async #send(endpoint: Endpoint, request: HttpRequest, headers: Record<string, string>): Promise<HttpAnswer> {
    const { method, body, signal, maxAnswer = MAX_ANSWER } = request;
    const cut = new AbortController();
    const stop = () => cut.abort();
    const timer = setTimeout(stop, this.#timeout);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
    try {
      const path = join(endpoint.url, request.path);
      const answer = await endpoint.pool.request({ method, path, headers, body, signal: cut.signal });
      return {
        status: answer.statusCode,
        headers: flatten(answer.headers),
        ...(await read(answer.body, maxAnswer)),
        url: endpoint.url.origin,
      };
    } catch (cause) {
      const reason = signal?.aborted
        ? "stopped"
        : cut.signal.aborted
          ? `no complete answer within ${this.#timeout / 1000} s`
          : describe(cause as Error);
      const error = new Error(`${reason} (${endpoint.url.origin})`, { cause });
      if (this.#unsent.has(cause as Error)) this.#unsent.add(error);
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    }
  }
}

/** `#send` bounds the whole request, so undici's own timeouts are off. */
const POOL = { headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: KEEP_ALIVE, pipelining: 1 };

/** Gives the TLS options of the next connection: the same object until one of the files changes. */
function createTls(tls: HttpOptions["tls"], resolve: (path: string) => string): () => Promise<ConnectionOptions> {
  const file = (path: string | undefined, what: string) =>
    path === undefined ? undefined : new FreshFile(resolve(path), what);
  const files = [
    file(tls?.caFile, "tls.caFile"),
    file(tls?.certFile, "tls.certFile"),
    file(tls?.keyFile, "tls.keyFile"),
  ];
  const servername = tls?.serverName;
  const rejectUnauthorized = !tls?.insecureSkipVerify;
  let current: ConnectionOptions | undefined;
  return async () => {
    const [ca, cert, key] = await Promise.all(files.map((each) => each?.read()));
    if (!current || current.ca !== ca || current.cert !== cert || current.key !== key) {
      current = { ca, cert, key, servername, rejectUnauthorized };
    }
    return current;
  };
}

async function read(
  body: Dispatcher.ResponseData["body"],
  max: number,
): Promise<{ body: Uint8Array; truncated: boolean }> {
  // A body that is left before its end emits an error, which nobody else listens to.
  body.on("error", () => {});
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > max) return { body: Buffer.concat(chunks, max), truncated: true };
  }
  return { body: Buffer.concat(chunks, length), truncated: false };
}

function join(base: URL, path: string): string {
  return path === "" ? base.pathname + base.search : base.pathname.replace(/\/$/, "") + path;
}

function flatten(headers: Dispatcher.ResponseData["headers"]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat().join(", ")]));
}

function origin(url: string): string {
  return new URL(url).origin;
}

const SENTENCES: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "the host name does not resolve",
  EAI_AGAIN: "the host name does not resolve at the moment",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  ECONNRESET: "connection closed before the answer was complete",
  EPIPE: "connection closed before the request was sent",
  UND_ERR_SOCKET: "connection closed before the answer was complete",
  UND_ERR_CONNECT_TIMEOUT: "no connection in time",
};

/** What happened, in words; never a byte of what was sent. */
function describe(error: NodeJS.ErrnoException): string {
  return SENTENCES[error.code ?? ""] ?? (error.message || error.code || error.name);
}
