import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./ports.js";

/** What a network does to the bytes that pass; all of it both ways. */
export interface Toxic {
  /** Milliseconds that every byte is late. */
  latency?: number;
  bytesPerSecond?: number;
  /** Bytes that pass at once, one piece after the other. */
  slice?: number;
  /** Nothing passes, nothing is said. */
  blackhole?: boolean;
  /** Bytes from the client after which a connection is reset. */
  resetAfter?: number;
}

/** Most bytes of one direction that are on their way. */
const WINDOW = 1 << 20;

/** A TCP proxy with a network of its own. What is on its way when the toxic changes meets the new one. */
export class TcpProxy {
  toxic: Toxic = {};
  readonly #target: { host: string; port: number };
  readonly #sockets = new Set<Socket>();
  #server!: Server;
  readonly #port: number;

  private constructor({ hostname, port }: URL, own: number) {
    this.#target = { host: hostname, port: Number(port) };
    this.#port = own;
  }

  /** @param target URL of a server */
  static async to(target: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(new URL(target), await freePort());
    await proxy.listen();
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Takes connections, at the same port as ever. */
  async listen(): Promise<void> {
    this.#server = createServer((client) => this.#join(client));
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  /** Refuses connections, and cuts those there are. */
  async refuse(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  /** Resets all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  close(): Promise<void> {
    return this.refuse();
  }

  #join(client: Socket): void {
    const server = connect(this.#target);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      // An end by a reset on one side is one on the other.
      socket.on("error", () => other.resetAndDestroy());
      socket.on("close", () => this.#sockets.delete(socket));
    }
    void this.#pass(client, server, true);
    void this.#pass(server, client, false);
  }

  /** Copies one direction of a connection until it ends. */
  async #pass(from: Socket, to: Socket, upward: boolean): Promise<void> {
    let seen = 0;
    let onWay = 0;
    let last: Promise<void> = Promise.resolve();
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        seen += chunk.length;
        if (upward && this.toxic.resetAfter !== undefined && seen > this.toxic.resetAfter) {
          from.resetAndDestroy();
          return;
        }
        const arrived = performance.now();
        onWay += chunk.length;
        last = last.then(async () => {
          await this.#deliver(chunk, arrived, to);
          onWay -= chunk.length;
        });
        last.catch(() => {});
        if (onWay > WINDOW) await last;
      }
      await last;
      to.end();
    } catch {
      to.destroy();
    }
  }

  async #deliver(chunk: Buffer, arrived: number, to: Socket): Promise<void> {
    const size = this.toxic.slice ?? chunk.length;
    for (let at = 0; at < chunk.length; at += size) {
      while (this.toxic.blackhole && !to.destroyed) await sleep(20, undefined, { ref: false });
      const piece = chunk.subarray(at, at + size);
      const { latency = 0, bytesPerSecond = Number.POSITIVE_INFINITY } = this.toxic;
      const due = arrived + latency - performance.now();
      if (due > 0) await sleep(due, undefined, { ref: false });
      const takes = (piece.length / bytesPerSecond) * 1000;
      if (takes >= 1) await sleep(takes, undefined, { ref: false });
      if (to.destroyed) throw new Error("closed");
      if (!to.write(piece)) await once(to, "drain");
    }
  }
}
