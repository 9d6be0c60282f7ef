import type { IncomingMessage, RequestListener } from "node:http";

const SPOILT = 0xee;

/** How a request with a large body comes to its end before the body is read. */
export const ENDS = ["answered early", "late", "stopped"] as const;
type End = (typeof ENDS)[number];

/** What the client's request is asked with. */
interface Sending {
  body: Buffer;
  signal: AbortSignal;
}

/** A server that reads a body only when its sender has done with it, and that sender. */
export class LateReader {
  readonly #end: End;
  #arrived!: (request: IncomingMessage) => void;
  readonly #request = new Promise<IncomingMessage>((resolve) => {
    this.#arrived = resolve;
  });

  constructor(end: End) {
    this.#end = end;
  }

  readonly listener: RequestListener = (request, response) => {
    this.#arrived(request);
    // All of the answer, but not its end, with which the server would stop to read.
    if (this.#end === "answered early") response.writeHead(413, { "content-length": 9 }).write("too large");
  };

  /**
   * Has a large body sent, spoils it as soon as `send` has settled, and reads what the server has of it then.
   * @returns the bytes that it read, and whether a spoilt one is among them
   */
  async run(send: (sending: Sending) => Promise<unknown>): Promise<{ bytes: number; spoilt: boolean }> {
    const stop = new AbortController();
    const body = Buffer.alloc(64 * 1024 * 1024, "x");
    const sent = send({ body, signal: stop.signal }).catch(() => {});
    const request = await this.#request;
    if (this.#end === "stopped") stop.abort();
    await sent;
    body.fill(SPOILT);
    let bytes = 0;
    let spoilt = false;
    request.on("data", (data: Buffer) => {
      bytes += data.length;
      spoilt ||= data.includes(SPOILT);
    });
    await new Promise((resolve) => request.on("error", resolve).on("close", resolve));
    return { bytes, spoilt };
  }
}
