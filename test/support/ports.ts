import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/** The first of `count` ports in a row that nobody has. */
export async function freePort(count = 1): Promise<number> {
  for (;;) {
    const first = await listen(0);
    const others = await Promise.allSettled(Array.from({ length: count - 1 }, (_, n) => listen(first + n + 1)));
    if (others.every(({ status }) => status === "fulfilled")) return first;
  }
}

/**
 * The first of `count` ports in a row for servers that end and come back: of those that neither connections get nor the scripts for
 * search servers take by themselves, so that nobody has them meanwhile.
 */
export async function lastingPort(count = 1): Promise<number> {
  for (;;) {
    const first = 10_000 + Math.floor(Math.random() * 20_000);
    const taken = await Promise.allSettled(Array.from({ length: count }, (_, n) => listen(first + n)));
    if (taken.every(({ status }) => status === "fulfilled")) return first;
  }
}

/** Takes a port and gives it back. */
async function listen(port: number): Promise<number> {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  const { port: taken } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return taken;
}
