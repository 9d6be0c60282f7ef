import { type ClientRequest, Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { ConnectionOptions } from "node:tls";
import type { Host, HttpAnswer, HttpClient, HttpOptions, HttpRequest } from "../plugin/index.js";
import { createAuthorization } from "./authorization.js";
import { type Endpoint, Endpoints } from "./endpoints.js";
import { Exchange, NoAnswer } from "./exchange.js";
import { createTls } from "./tls.js";

/**
 * The HTTP client of all network sinks: keep-alive connections per endpoint, failover, credentials and certificates that
 * are read again when their files change, and bounds on time and on the answer's size. Redirects are not followed.
 */
export function createHttp(options: HttpOptions, host: HttpHost): HttpClient & { close(): Promise<void> } {
  return new Http(options, host);
}

type HttpHost = Pick<Host, "name" | "log" | "meter" | "resolve" | "version">;

const DEFAULT_TIMEOUT = 30_000;
const CONNECT_TIMEOUT = 10_000;
const MAX_ANSWER = 1024 ** 2;
/** Shorter than what servers and load balancers commonly allow, so that we rarely send into a closing connection. */
const KEEP_ALIVE = 20_000;
/** Answers of a server, or of the proxy before it, that cannot serve: another one may. */
const UNAVAILABLE = new Set([502, 503, 504]);

class Http implements HttpClient {
  readonly #timeout: number;
  /** Of every request, but for the credentials. */
  readonly #headers: Readonly<Record<string, string>>;
  readonly #authorization: ReturnType<typeof createAuthorization>;
  readonly #tls: ReturnType<typeof createTls>;
  readonly #endpoints: Endpoints;
  /** Headers of the last request, and what they were made of. */
  #last: Merged | undefined;
  /** Connections with other certificates are others to them: a renewed one is used at once. */
  readonly #agents = { "http:": new HttpAgent(AGENT), "https:": new HttpsAgent(AGENT) };

  constructor(options: HttpOptions, host: HttpHost) {
    this.#endpoints = new Endpoints(options.urls, host);
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT;
    this.#headers = { "user-agent": `auditship/${host.version}`, ...lowerCased(options.headers ?? {}) };
    this.#authorization = createAuthorization(options.auth, host.resolve);
    this.#tls = createTls(options.tls, host.resolve);
    if (options.tls?.insecureSkipVerify) {
      host.log.warn(
        { urls: options.urls.map(origin) },
        "Server certificates are not verified (tls.insecureSkipVerify).",
      );
    }
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    const prepared = await this.#prepare(request);
    const failures: string[] = [];
    let why: NoAnswer["why"] | undefined;
    for (const endpoint of this.#endpoints.choose(request.spread ?? false)) {
      if (prepared.deadline <= performance.now()) break;
      try {
        return await this.#ask(endpoint, request, prepared);
      } catch (error) {
        failures.push((error as Error).message);
        why = whyOf(error);
        if (why !== "unsent") break;
      }
    }
    const message = failures.join("; ");
    throw why === "late" ? new DOMException(message, "TimeoutError") : new Error(message);
  }

  async close(): Promise<void> {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  /** The certificates of now, and the headers with the credentials of now. */
  async #prepare(request: HttpRequest): Promise<Prepared> {
    const tls = await this.#tls();
    const headers = this.#headersOf(request.headers, await this.#authorization());
    return { tls, headers, deadline: performance.now() + this.#timeout };
  }

  /** Most requests of a sink have the same ones: they are put together once. */
  #headersOf(own: HttpRequest["headers"], authorization: string | undefined): Record<string, string> {
    if (!this.#last || this.#last.own !== own || this.#last.authorization !== authorization) {
      // A request's own come last, and win: to Node, names that differ only in case are one.
      const headers = { ...this.#headers, ...(authorization !== undefined && { authorization }), ...own };
      this.#last = { own, authorization, headers };
    }
    return this.#last.headers;
  }

  /** Asks one endpoint and notes how it does. */
  async #ask(endpoint: Endpoint, request: HttpRequest, prepared: Prepared, again = false): Promise<HttpAnswer> {
    endpoint.inFlight++;
    try {
      const answer = await this.#send(endpoint, request, prepared);
      if (UNAVAILABLE.has(answer.status)) this.#endpoints.failed(endpoint, `it answers with ${answer.status}`);
      else this.#endpoints.answered(endpoint);
      return answer;
    } catch (error) {
      const why = whyOf(error);
      if (why === "unsent" || why === "late" || why === "lost")
        this.#endpoints.failed(endpoint, (error as Error).message);
      // The other connections that nobody uses are likely closed, too: the next one is to be a fresh one.
      if (why === "stale") this.#closeIdle();
      if (why !== "stale" || again || request.method === "POST") throw error;
    } finally {
      endpoint.inFlight--;
    }
    return this.#ask(endpoint, request, prepared, true);
  }

  #send(endpoint: Endpoint, request: HttpRequest, prepared: Prepared): Promise<HttpAnswer> {
    const { body, signal, maxAnswer = MAX_ANSWER } = request;
    const timeout = prepared.deadline - performance.now();
    const connectTimeout = Math.min(CONNECT_TIMEOUT, timeout / 2);
    const exchange = new Exchange(this.#open(endpoint, request, prepared), endpoint.origin, connectTimeout);
    return exchange.run(body, maxAnswer, timeout, signal);
  }

  #closeIdle(): void {
    for (const agent of Object.values(this.#agents)) {
      for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
    }
  }

  /** A request that is not sent yet. */
  #open(endpoint: Endpoint, { method, path }: HttpRequest, { tls, headers }: Prepared): ClientRequest {
    const { protocol, hostname, port } = endpoint.address;
    const agent = this.#agents[protocol];
    // Written out: options put together by spreading cost Node's client half as much again.
    const options = { protocol, hostname, port, method, path: endpoint.pathOf(path), headers, agent };
    return protocol === "https:" ? httpsRequest({ ...options, ...tls }) : httpRequest(options);
  }
}

/** Headers of a request. */
interface Merged {
  own: HttpRequest["headers"];
  authorization: string | undefined;
  headers: Record<string, string>;
}

/** What the requests of a moment have in common. */
interface Prepared {
  tls: ConnectionOptions;
  headers: Record<string, string>;
  /** When it is to be answered, by whichever endpoint; by `performance.now()`. */
  deadline: number;
}

const whyOf = (error: unknown) => (error instanceof NoAnswer ? error.why : undefined);

/** `#send` bounds the whole request; this is for connections that nobody uses. */
const AGENT = { keepAlive: true, timeout: KEEP_ALIVE };

function lowerCased(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function origin(url: string): string {
  return new URL(url).origin;
}
