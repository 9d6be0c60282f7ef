import type { ClientRequest, IncomingMessage } from "node:http";
import type { HttpRequest } from "../plugin/index.js";

/** One request and its answer, within bounds. */
export class Exchange {
  /** False as long as nothing can have been sent. */
  connected = false;
  /** True if it was given up after its time. */
  late = false;
  readonly #request: ClientRequest;

  constructor(request: ClientRequest, connectTimeout: number) {
    this.#request = request;
    const timer = setTimeout(
      () => request.destroy(Object.assign(new Error("no connection"), { code: "ETIMEDOUT" })),
      connectTimeout,
    );
    request.once("close", () => clearTimeout(timer));
    request.once("socket", (socket) => {
      const connected = () => {
        this.connected = true;
        clearTimeout(timer);
      };
      if (request.reusedSocket) connected();
      else socket.once("encrypted" in socket ? "secureConnect" : "connect", connected);
    });
  }

  /** Sends the body and reads the answer up to `max` bytes, all within `timeout` ms. */
  async run(body: HttpRequest["body"], max: number, timeout: number, signal: AbortSignal | undefined) {
    const request = this.#request;
    const stop = () => request.destroy(new Error("stopped"));
    const timer = setTimeout(() => {
      this.late = true;
      stop();
    }, timeout);
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const answered = new Promise<IncomingMessage>((resolve, reject) => {
        request.once("response", resolve).on("error", reject);
      });
      if (signal?.aborted) stop();
      else request.end(body);
      const response = await answered;
      return { response, ...(await read(response, max)) };
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      // Of a server that answers before it has read everything: the body's memory must not be needed any more.
      if (!request.writableFinished) request.destroy();
    }
  }
}

/** What is beyond `max` is not read: leaving a response before its end cuts the connection. */
async function read(response: IncomingMessage, max: number): Promise<{ body: Uint8Array; truncated: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > max) return { body: Buffer.concat(chunks, max), truncated: true };
  }
  return { body: Buffer.concat(chunks, length), truncated: false };
}

const SENTENCES: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "the host name does not resolve",
  EAI_AGAIN: "the host name does not resolve at the moment",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  ECONNRESET: "connection closed before the answer was complete",
  EPIPE: "connection closed before the request was sent",
  ETIMEDOUT: "no connection in time",
};

/** What happened, in words; never a byte of what was sent. */
export function describe(error: NodeJS.ErrnoException): string {
  return SENTENCES[error.code ?? ""] ?? (error.message || error.code || error.name);
}
