import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import type { KubernetesObject } from "../../src/plugin/index.js";
import { serve } from "../support/serve.js";

/** What was asked of it. */
export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  body: string;
}

/** The collection that {@link ApiServer.put} puts into. */
const NAMESPACES = "/api/v1/namespaces";

/** An API server as far as we ask it: lists, watches, and what is told to it. It can be told to fail. */
export class ApiServer {
  readonly asked: Asked[] = [];
  /** Collections by their path. One that nobody has put anything into is empty. */
  readonly #collections = new Map<string, Map<string, KubernetesObject>>();
  /** Answers instead of the server, if it gives true. */
  script: (asked: Asked, response: ServerResponse) => boolean = () => false;
  url = "";
  #version = 1;
  readonly #watches = new Map<ServerResponse, string>();

  static async start(): Promise<ApiServer> {
    const api = new ApiServer();
    api.url = await serve((request, response) => void api.#answer(request, response));
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

  /** What is in the collection that {@link put} puts into. */
  get objects(): Map<string, KubernetesObject> {
    return this.collection(NAMESPACES);
  }

  collection(path: string): Map<string, KubernetesObject> {
    const known = this.#collections.get(path) ?? new Map<string, KubernetesObject>();
    this.#collections.set(path, known);
    return known;
  }

  put(name: string, labels: Record<string, string> = {}): void {
    this.apply(NAMESPACES, { metadata: { name, labels } });
  }

  /** Puts an object into a collection, in the place of one of its name. */
  apply(path: string, { metadata, ...rest }: KubernetesObject & Record<string, unknown>): void {
    const collection = this.collection(path);
    const type = collection.has(metadata.name) ? "MODIFIED" : "ADDED";
    const object = { metadata: { ...metadata, resourceVersion: String(++this.#version) }, ...rest };
    collection.set(metadata.name, object);
    this.say(type, object, path);
  }

  delete(name: string, path = NAMESPACES): void {
    const { metadata } = this.collection(path).get(name)!;
    this.collection(path).delete(name);
    this.say("DELETED", { metadata: { ...metadata, resourceVersion: String(++this.#version) } }, path);
  }

  /** Says something to all who watch a collection. */
  say(type: string, object: object, path = NAMESPACES): void {
    for (const [watch, watched] of this.#watches) {
      if (watched === path) watch.write(`${JSON.stringify({ type, object })}\n`);
    }
  }

  /** Ends all watches, as a server does after their time, or as one that is killed. */
  endWatches(how: "end" | "destroy" = "end"): void {
    for (const watch of this.#watches.keys()) watch[how]();
    this.#watches.clear();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url!, this.url);
    const { method = "", headers } = request;
    const asked = { method, path: pathname, query: searchParams, headers, body: await text(request) };
    this.asked.push(asked);
    if (this.script(asked, response)) return;
    if (searchParams.has("watch")) {
      this.#watches.set(response, pathname);
      response.on("close", () => this.#watches.delete(response));
      response.writeHead(200).flushHeaders();
      return;
    }
    if (method !== "GET") {
      response.writeHead(201).end("{}");
      return;
    }
    const all = [...this.collection(pathname).values()];
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
