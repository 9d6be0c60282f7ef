import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { AuditshipError } from "../plugin/error.js";
import type { Readiness } from "./health.js";
import type { Metrics } from "./meter.js";

/** Connections at one time; a scraper and the kubelet need two. */
const MAX_CONNECTIONS = 64;

interface Answer {
  status: number;
  type?: string;
  body: string;
}

type Page = () => Answer | Promise<Answer>;

export interface ObserveServer {
  /** `http://127.0.0.1:9110`; undefined when it is turned off. */
  readonly url: string | undefined;
  close(): Promise<void>;
}

/**
 * Serves /metrics, /healthz and /readyz on `listen` (`host:port`, `:port`, `[IPv6]:port`; port 0 takes a free one; `none` turns
 * it off).
 * @throws AuditshipError AUDITSHIP_CONFIG_VALUE if the address cannot be had
 */
export async function serveObservation(
  listen: string,
  { metrics, readiness }: { metrics: Metrics; readiness: Readiness },
): Promise<ObserveServer> {
  if (listen === "none") return { url: undefined, close: async () => {} };
  const pages = new Map<string, Page>([
    ["/metrics", async () => ({ status: 200, type: metrics.contentType, body: await metrics.text() })],
    ["/healthz", () => ({ status: 200, body: "ok\n" })],
    ["/readyz", () => ready(readiness)],
  ]);
  const server = createServer(
    { maxHeaderSize: 8192, requestTimeout: 10_000, headersTimeout: 5_000 },
    (request, response) => void answer(pages, request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  const host = await bind(server, listen);
  const address = server.address() as { port: number };
  return {
    url: `http://${host}:${address.port}`,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

function ready(readiness: Readiness): Answer {
  const reasons = readiness.reasons();
  const lines = readiness.ready ? ["ok", ...reasons] : reasons;
  return { status: readiness.ready ? 200 : 503, body: `${lines.join("\n")}\n` };
}

async function answer(pages: Map<string, Page>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, type = "text/plain; charset=utf-8", body } = await respond(pages, request);
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "x-content-type-options": "nosniff",
    ...(status === 405 && { allow: "GET, HEAD" }),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

async function respond(pages: Map<string, Page>, request: IncomingMessage): Promise<Answer> {
  const page = pages.get((request.url ?? "").split("?", 1)[0]);
  if (!page) return { status: 404, body: `not found; there are ${[...pages.keys()].join(", ")}\n` };
  if (request.method !== "GET" && request.method !== "HEAD") return { status: 405, body: "only GET and HEAD\n" };
  try {
    return await page();
  } catch (error) {
    return { status: 500, body: `${(error as Error).message}\n` };
  }
}

/** Listens; gives the host back as it stands in a URL. */
async function bind(server: Server, listen: string): Promise<string> {
  const at = listen.lastIndexOf(":");
  const [host, port] = [listen.slice(0, at), Number(listen.slice(at + 1))];
  await new Promise<void>((listening, failed) => {
    server.once("error", (cause: NodeJS.ErrnoException) => failed(cannotListen(listen, cause)));
    server.listen(port, host.replace(/^\[|\]$/g, "") || undefined, listening);
  });
  return host || "localhost";
}

function cannotListen(listen: string, cause: NodeJS.ErrnoException): AuditshipError {
  const why = cause.code === "EADDRINUSE" ? "another process has it" : cause.code;
  const message = `observe.listen: cannot listen on ${listen}: ${why}; give another address, port 0 for a free one, or none.`;
  return new AuditshipError("AUDITSHIP_CONFIG_VALUE", message, {}, { cause });
}
