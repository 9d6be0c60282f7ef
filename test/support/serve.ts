import { createServer, type RequestListener } from "node:http";
import type { Server, Socket } from "node:net";
import { onTestFinished } from "vitest";
import { listen } from "./listen.js";

/** Has a server {@link listen} for as long as the test runs; then it is closed and its connections are cut. @returns its URL */
export async function serve(what: Server | RequestListener, port?: number): Promise<string> {
  const server = typeof what === "function" ? createServer(what) : what;
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => void sockets.add(socket));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return listen(server, port);
}
