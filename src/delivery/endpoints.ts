import { urlToHttpOptions } from "node:url";
import type { Host } from "../plugin/index.js";

/** For how long an endpoint that fails is left out: at first, doubled with each probe that fails, at most. In ms. */
const OUT = { initial: 1000, max: 60_000 };

/** One server of a sink, and how it does: a circuit breaker. */
export class Endpoint {
  /** Requests on their way to it. */
  inFlight = 0;
  /** Failures since it last answered. */
  failures = 0;
  /** Until then it is left out, if others can be asked; in ms of the endpoints' clock. */
  outUntil = 0;
  /** Scheme, host and port: no path, which may hold a secret. */
  readonly origin: string;
  /** Where to connect to, as Node's HTTP client has it. */
  readonly address: Address;
  readonly #path: string;
  readonly #query: string;

  /** @param label host and port as configured: what logs and metrics show */
  constructor(
    url: URL,
    readonly label: string,
  ) {
    const { protocol, hostname, port } = urlToHttpOptions(url);
    this.origin = url.origin;
    this.address = { protocol: protocol as Address["protocol"], hostname, port: port as number | undefined };
    this.#path = url.pathname;
    this.#query = url.search;
  }

  /** A path joined to the endpoint's own; "" is the endpoint's itself, with its query. */
  pathOf(path: string): string {
    return path === "" ? this.#path + this.#query : this.#path.replace(/\/$/, "") + path;
  }

  /** True if it failed last and may be asked again: by one request, which is the probe. */
  isDue(now: number): boolean {
    return this.failures > 0 && now >= this.outUntil && this.inFlight === 0;
  }
}

interface Address {
  protocol: "http:" | "https:";
  /** An IPv6 address without its brackets. */
  hostname: string | null | undefined;
  /** Undefined: the scheme's own. */
  port: number | undefined;
}

/**
 * The servers of one sink, one circuit breaker each. One that fails is left out as long as others can be asked, for longer
 * the more often it fails; then one request probes it. When all have failed, all are tried: a breaker never makes an outage
 * longer.
 */
export class Endpoints {
  readonly all: readonly Endpoint[];
  readonly #host: Pick<Host, "name" | "log" | "meter">;
  readonly #now: () => number;
  /** The one that requests which are not spread stay with, as long as it does not fail. */
  #current: Endpoint;
  /** Where the next request that is spread begins, among those with as few on their way. */
  #turn = 0;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(
    urls: readonly string[],
    host: Pick<Host, "name" | "log" | "meter">,
    now: () => number = () => performance.now(),
  ) {
    this.#host = host;
    this.#now = now;
    this.all = urls.map((text, index) => {
      const url = new URL(text);
      const first = urls.findIndex((other) => new URL(other).host === url.host);
      return new Endpoint(url, first === index ? url.host : `${url.host} (${index + 1})`);
    });
    this.#current = this.all[0];
    for (const endpoint of this.all) this.#show(endpoint);
  }

  /**
   * Which to ask for one request, each once, until one is reached. `spread`: one that is due for a probe, then the one with
   * the fewest requests on their way; else the one that requests stay with, then the next ones.
   */
  *choose(spread: boolean): Generator<Endpoint> {
    const left = new Set(this.#inTurn(spread));
    while (left.size > 0) {
      const now = this.#now();
      const best = [...left].reduce((a, b) => (this.#rank(b, spread, now) < this.#rank(a, spread, now) ? b : a));
      left.delete(best);
      yield best;
    }
  }

  /** It answered a request. */
  answered(endpoint: Endpoint): void {
    if (endpoint.failures === 0) return;
    endpoint.failures = 0;
    this.#show(endpoint);
    this.#host.log.info({ sink: this.#host.name, endpoint: endpoint.label }, "An endpoint answers again.");
  }

  /** It could not be reached, gave no answer in time, or said that it cannot serve. */
  failed(endpoint: Endpoint, reason: string): void {
    if (endpoint === this.#current) this.#current = this.all[(this.all.indexOf(endpoint) + 1) % this.all.length];
    // Many requests that fail at once are one failure.
    if (this.#now() < endpoint.outUntil) return;
    endpoint.outUntil = this.#now() + Math.min(OUT.max, OUT.initial * 2 ** endpoint.failures++);
    this.#show(endpoint);
    if (endpoint.failures > 1 || this.all.length === 1) return;
    const fields = { sink: this.#host.name, endpoint: endpoint.label, reason };
    this.#host.log.warn(fields, "An endpoint fails; the others are asked meanwhile.");
  }

  /** All of them, in the order that decides between equals. */
  #inTurn(spread: boolean): Endpoint[] {
    const first = spread ? this.#turn++ % this.all.length : this.all.indexOf(this.#current);
    return [...this.all.slice(first), ...this.all.slice(0, first)];
  }

  /** Less is better. */
  #rank(endpoint: Endpoint, spread: boolean, now: number): number {
    const { failures, inFlight, outUntil } = endpoint;
    if (failures === 0) return spread ? inFlight : 0;
    if (endpoint.isDue(now)) return spread ? -1 : 0;
    return LEFT_OUT + Math.max(0, outUntil - now);
  }

  #show({ label, failures }: Endpoint): void {
    this.#host.meter.set("auditship_sink_endpoint_up", failures === 0 ? 1 : 0, this.#host.name, label);
  }
}

/** Behind all that may be asked. */
const LEFT_OUT = 1e6;
