import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import type { KubernetesObject } from "../../src/plugin/index.js";

/** What was asked of it. */
export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  body: string;
}

/** An API server of one collection, as far as an informer asks it; it can be told to fail. */
export class ApiServer {
  readonly asked: Asked[] = [];
  readonly objects = new Map<string, KubernetesObject>();
  /** Answers instead of the server, if it gives true. */
  script: (asked: Asked, response: ServerResponse) => boolean = () => false;
  url = "";
  #version = 1;
  readonly #watches = new Set<ServerResponse>();

  static async start(): Promise<ApiServer> {
    const api = new ApiServer();
    const server = createServer((request, response) => void api.#answer(request, response)).listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    api.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return api;
  }

  /** A kubeconfig for it. */
  kubeconfig(token = "secret"): string {
    const directory = mkdtempSync(join(tmpdir(), "auditship-kubeconfig-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const path = join(directory, "config");
    const cluster = { server: this.url, "insecure-skip-tls-verify": true };
    writeFileSync(
      path,
      JSON.stringify({
        clusters: [{ name: "c", cluster }],
        users: [{ name: "u", user: { token } }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
        "current-context": "x",
      }),
    );
    return path;
  }

  get watching(): number {
    return this.#watches.size;
  }

  put(name: string, labels: Record<string, string> = {}): void {
    const type = this.objects.has(name) ? "MODIFIED" : "ADDED";
    const object = { metadata: { name, labels, resourceVersion: String(++this.#version) } };
    this.objects.set(name, object);
    this.say(type, object);
  }

  delete(name: string): void {
    const { metadata } = this.objects.get(name)!;
    this.objects.delete(name);
    this.say("DELETED", { metadata: { ...metadata, resourceVersion: String(++this.#version) } });
  }

  /** Says something to all who watch. */
  say(type: string, object: object): void {
    for (const watch of this.#watches) watch.write(`${JSON.stringify({ type, object })}\n`);
  }

  /** Ends all watches, as a server does after their time, or as one that is killed. */
  endWatches(how: "end" | "destroy" = "end"): void {
    for (const watch of this.#watches) watch[how]();
    this.#watches.clear();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url!, this.url);
    const { method = "", headers } = request;
    const asked = { method, path: pathname, query: searchParams, headers, body: await text(request) };
    this.asked.push(asked);
    if (this.script(asked, response)) return;
    if (searchParams.has("watch")) {
      this.#watches.add(response);
      response.on("close", () => this.#watches.delete(response));
      response.writeHead(200).flushHeaders();
      return;
    }
    const all = [...this.objects.values()];
    const from = Number(searchParams.get("continue") ?? 0);
    const to = from + Number(searchParams.get("limit"));
    const metadata = { resourceVersion: String(this.#version), ...(to < all.length && { continue: String(to) }) };
    response.end(JSON.stringify({ metadata, items: all.slice(from, to) }));
  }
}

/** Answers with a Status. */
export function fail(response: ServerResponse, status: number, reason: string): true {
  response.writeHead(status).end(JSON.stringify({ kind: "Status", reason }));
  return true;
}
