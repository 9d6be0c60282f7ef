import { once } from "node:events";
import { createServer } from "node:net";

/**
 * The first of `count` ports in a row that nobody listens on, and nobody will: of those that neither connections and servers without
 * a port of their own get, nor the scripts for search servers take by themselves. A server there may end and come back.
 */
export async function freePort(count = 1): Promise<number> {
  for (;;) {
    const first = 10_000 + Math.floor(Math.random() * 20_000);
    const taken = await Promise.allSettled(Array.from({ length: count }, (_, n) => take(first + n)));
    if (taken.every(({ status }) => status === "fulfilled")) return first;
  }
}

/** Takes a port and gives it back. */
async function take(port: number): Promise<void> {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  await new Promise((closed) => server.close(closed));
}
