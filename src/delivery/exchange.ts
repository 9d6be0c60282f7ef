import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import type { HttpAnswer, HttpRequest } from "../plugin/index.js";

/**
 * There is no answer: its message says why in words, never with a byte of what was sent. `unsent`: no connection came to be,
 * so that another endpoint may take it. `stale`: a kept connection was closed as it was used again. `stopped`: by the caller. `late`: it took too long.
 */
export class NoAnswer extends Error {
  constructor(
    message: string,
    readonly why: "unsent" | "stale" | "stopped" | "late" | "lost",
    cause: unknown,
  ) {
    super(message, { cause });
  }
}

/** One request and its answer, within bounds. */
export class Exchange {
  readonly #request: ClientRequest;
  readonly #origin: string;
  /** False as long as nothing can have been sent. */
  #connected = false;
  #answered = false;
  #late = false;

  /**
   * @param origin where it goes, for errors: no path, which may hold a secret
   * @param connectTimeout milliseconds
   */
  constructor(request: ClientRequest, origin: string, connectTimeout: number) {
    this.#request = request;
    this.#origin = origin;
    request.once("socket", (socket) => {
      this.#connected = request.reusedSocket;
      if (!this.#connected) this.#connect(socket, connectTimeout);
    });
  }

  /**
   * Sends the body and reads the answer up to `max` bytes, all within `timeout` ms; with 0 its head is all that is waited for.
   * Throws {@link NoAnswer}.
   */
  async run(
    body: HttpRequest["body"],
    max: number,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<HttpAnswer> {
    const request = this.#request;
    const stop = () => request.destroy(new Error("stopped"));
    const timer = setTimeout(() => {
      this.#late = true;
      stop();
    }, timeout);
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const answered = new Promise<IncomingMessage>((resolve, reject) => {
        request.once("response", resolve).on("error", reject);
        // Of an answer that nobody asked for, 101 with an upgrade, Node tells nothing but that all is over.
        request.once("close", () => this.#answered || reject(closed()));
      });
      if (signal?.aborted) stop();
      else request.end(body);
      const response = await answered;
      this.#answered = true;
      const { bytes, truncated } = max === 0 ? await discard(response) : await read(response, max);
      await this.#finish();
      const { statusCode: status = 0, headers } = response;
      return { status, headers: flatten(headers), body: bytes, truncated, url: this.#origin };
    } catch (cause) {
      throw this.#failure(cause as NodeJS.ErrnoException, timeout, signal);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      // Of a server that answers before it has read everything: the body's memory must not be needed any more.
      if (!request.writableFinished) request.destroy();
    }
  }

  /** Waits for what Node says of a body that is all written, some turns after its answer if we kept it busy. */
  async #finish(): Promise<void> {
    for (let turn = 0; turn < TURNS && !this.#request.writableFinished; turn++) await setImmediate();
  }

  /** Waits for a new connection. */
  #connect(socket: Socket, timeout: number): void {
    const late = () => this.#request.destroy(Object.assign(new Error("no connection"), { code: "ETIMEDOUT" }));
    const timer = setTimeout(late, timeout);
    this.#request.once("close", () => clearTimeout(timer));
    // Of a server that answers and hangs up while we write, Node tells when nobody listens any more: that would end the process.
    socket.on("error", () => {});
    socket.once("encrypted" in socket ? "secureConnect" : "connect", () => {
      this.#connected = true;
      clearTimeout(timer);
    });
  }

  #failure(cause: NodeJS.ErrnoException, timeout: number, signal: AbortSignal | undefined): NoAnswer {
    const failure = (why: NoAnswer["why"], reason: string) => new NoAnswer(`${reason} (${this.#origin})`, why, cause);
    // A time limit of the caller's is no stop: the endpoint was too slow for it.
    if (signal?.aborted && signal.reason?.name !== "TimeoutError") return failure("stopped", "stopped");
    if (signal?.aborted) return failure("late", "no complete answer in time");
    if (this.#late) return failure("late", `no complete answer within ${Number((timeout / 1000).toFixed(1))} s`);
    if (!this.#connected) return failure("unsent", describe(cause));
    const closed = cause.code === "ECONNRESET" || cause.code === "EPIPE";
    return failure(closed && this.#request.reusedSocket && !this.#answered ? "stale" : "lost", describe(cause));
  }
}

const closed = () => Object.assign(new Error("closed"), { code: "ECONNRESET" });

/** Nearly always one is enough. */
const TURNS = 4;

/** The body of an answer. */
interface Body {
  bytes: Uint8Array;
  /** True if there was more. */
  truncated: boolean;
}

/** What is beyond `max` is not read: the connection is cut. */
function read(response: IncomingMessage, max: number): Promise<Body> {
  const chunks: Buffer[] = [];
  let length = 0;
  return new Promise((resolve, reject) => {
    response.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length <= max) return;
      resolve({ bytes: Buffer.concat(chunks, max), truncated: true });
      response.destroy();
    });
    response.once("end", () => resolve({ bytes: Buffer.concat(chunks, length), truncated: false }));
    response.once("error", reject);
  });
}

/** Lets a body go that nobody wants: to its end if that comes soon, since the connection can be used again only then. */
async function discard(response: IncomingMessage): Promise<Body> {
  const timer = setTimeout(() => response.destroy(), DISCARD_TIME);
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > DISCARD_BYTES) break;
    }
  } catch {
    // Its head said what there is to know.
  } finally {
    clearTimeout(timer);
  }
  return { bytes: Buffer.alloc(0), truncated: length > 0 };
}

/** All but cookies are one text each already. */
function flatten(headers: IncomingHttpHeaders): Record<string, string> {
  const cookies = headers["set-cookie"];
  return (cookies ? { ...headers, "set-cookie": cookies.join(", ") } : headers) as Record<string, string>;
}

/** Milliseconds. */
const DISCARD_TIME = 1000;
const DISCARD_BYTES = 64 * 1024;

const SENTENCES: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "the host name does not resolve",
  EAI_AGAIN: "the host name does not resolve at the moment",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  ECONNRESET: "connection closed before the answer was complete",
  EPIPE: "connection closed before the request was sent",
  ETIMEDOUT: "no connection in time",
  HPE_HEADER_OVERFLOW: "the answer's headers are too large",
};

/** What happened, in words; never a byte of what was sent. */
function describe(error: NodeJS.ErrnoException): string {
  return SENTENCES[error.code ?? ""] ?? (error.message || error.code || error.name);
}
