import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { ConnectionOptions } from "node:tls";
import type { HttpAnswer, HttpClient, HttpOptions, HttpRequest, Logger } from "../plugin/index.js";
import { createAuthorization } from "./authorization.js";
import { describe, Exchange } from "./exchange.js";
import { createTls } from "./tls.js";

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

class Http implements HttpClient {
  readonly #options: HttpOptions;
  readonly #timeout: number;
  readonly #userAgent: string;
  readonly #authorization: () => Promise<string | undefined>;
  readonly #tls: () => Promise<ConnectionOptions>;
  readonly #endpoints: readonly URL[];
  /** Connections with other certificates are others to them: a renewed one is used at once. */
  readonly #agents = { http: new HttpAgent(AGENT), https: new HttpsAgent(AGENT) };
  /** The endpoint that is tried first: the last one that did not fail. */
  #first = 0;
  /** Errors of connections that never came to be: the request was not sent, so another endpoint may take it. */
  readonly #unsent = new WeakSet<object>();

  constructor(options: HttpOptions, deps: HttpDeps) {
    this.#options = options;
    this.#endpoints = options.urls.map((url) => new URL(url));
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
    const prepared = await this.#prepare(request);
    const { length } = this.#endpoints;
    const failures: string[] = [];
    for (let turn = this.#first, left = length; left > 0; turn++, left--) {
      const index = turn % length;
      try {
        return await this.#send(this.#endpoints[index], request, prepared);
      } catch (error) {
        if (request.signal?.aborted) throw error;
        if (this.#first === index) this.#first = (index + 1) % length;
        failures.push((error as Error).message);
        if (!this.#unsent.has(error as Error)) break;
      }
    }
    throw new Error(failures.join("; "));
  }

  async requestAll(request: HttpRequest): Promise<PromiseSettledResult<HttpAnswer>[]> {
    const prepared = await this.#prepare(request);
    return Promise.allSettled(this.#endpoints.map((endpoint) => this.#send(endpoint, request, prepared)));
  }

  async close(): Promise<void> {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  /** The certificates of now, and the headers with the credentials of now. */
  async #prepare(request: HttpRequest): Promise<Prepared> {
    const [tls, authorization] = await Promise.all([this.#tls(), this.#authorization()]);
    const headers: Record<string, string> = { "user-agent": this.#userAgent };
    for (const more of [this.#options.headers, authorization ? { authorization } : {}, request.headers]) {
      for (const [name, value] of Object.entries(more ?? {})) headers[name.toLowerCase()] = value;
    }
    return { tls, headers };
  }

  async #send(endpoint: URL, request: HttpRequest, prepared: Prepared): Promise<HttpAnswer> {
    const { body, signal, maxAnswer = MAX_ANSWER } = request;
    let exchange: Exchange | undefined;
    try {
      exchange = new Exchange(this.#open(endpoint, request, prepared), Math.min(CONNECT_TIMEOUT, this.#timeout / 2));
      const { response, ...read } = await exchange.run(body, maxAnswer, this.#timeout, signal);
      return { status: response.statusCode ?? 0, headers: flatten(response.headers), ...read, url: endpoint.origin };
    } catch (cause) {
      const reason = signal?.aborted
        ? "stopped"
        : exchange?.late
          ? `no complete answer within ${this.#timeout / 1000} s`
          : describe(cause as Error);
      const error = new Error(`${reason} (${endpoint.origin})`, { cause });
      if (exchange?.connected === false && !exchange.late) this.#unsent.add(error);
      throw error;
    }
  }

  /** A request that is not sent yet. */
  #open(endpoint: URL, { method, path }: HttpRequest, { tls, headers }: Prepared): ClientRequest {
    const options = { method, path: join(endpoint, path), headers };
    return endpoint.protocol === "https:"
      ? httpsRequest(endpoint, { ...options, ...tls, agent: this.#agents.https })
      : httpRequest(endpoint, { ...options, agent: this.#agents.http });
  }
}

/** What the requests of a moment have in common. */
interface Prepared {
  tls: ConnectionOptions;
  headers: Record<string, string>;
}

/** `#send` bounds the whole request; this is for connections that nobody uses. */
const AGENT = { keepAlive: true, timeout: KEEP_ALIVE };

function join(base: URL, path: string): string {
  return path === "" ? base.pathname + base.search : base.pathname.replace(/\/$/, "") + path;
}

function flatten(headers: IncomingMessage["headers"]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat().join(", ")]));
}

function origin(url: string): string {
  return new URL(url).origin;
}
