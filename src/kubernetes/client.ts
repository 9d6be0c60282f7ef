import { once } from "node:events";
import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import { AuditshipError, NEWLINE } from "../plugin/index.js";

/** Most bytes of an answer that is held whole: a page of a list, a Status. */
const MAX_ANSWER = 64 * 1024 ** 2;
/** Milliseconds for an answer that is not a watch. */
const PATIENCE = 30_000;

/** An answer of the API server that is no success. */
export class KubernetesError extends Error {
  constructor(
    readonly status: number,
    what: string,
  ) {
    super(what);
  }
}

export interface KubernetesRequest {
  method?: "GET" | "POST" | "PATCH";
  query?: Record<string, string>;
  /** `Accept`; JSON if it is left out. */
  accept?: string;
  body?: object;
  /** `Content-Type` of the body; JSON if it is left out. */
  contentType?: string;
  signal?: AbortSignal;
}

/**
 * The API server of a kubeconfig, or of the cluster that this is a pod of. Who we are (tokens that are read again, certificates,
 * credential plugins) is the official client's; what is asked is ours: it keeps whole objects in memory, of which we need
 * little.
 */
export class KubernetesClient {
  readonly #config: KubeConfig;
  readonly #server: URL;

  private constructor(config: KubeConfig, server: string) {
    this.#config = config;
    this.#server = new URL(server);
  }

  /**
   * @param kubeconfig path; undefined: `KUBECONFIG`, `~/.kube/config`, or the pod's service account, whichever is there first
   * @throws AuditshipError AUDITSHIP_KUBERNETES if there is no cluster in it
   */
  static async open(kubeconfig?: string): Promise<KubernetesClient> {
    const { KubeConfig } = await import("@kubernetes/client-node/dist/config.js");
    const config = new KubeConfig();
    try {
      if (kubeconfig === undefined) config.loadFromDefault();
      else config.loadFromFile(kubeconfig);
    } catch (cause) {
      const what = `cannot be read: ${(cause as Error).message.split("\n")[0]}`;
      throw new AuditshipError("AUDITSHIP_KUBERNETES", `the kubeconfig ${what}`, { file: kubeconfig }, { cause });
    }
    const server = config.getCurrentCluster()?.server;
    if (server === undefined || !URL.canParse(server)) {
      const what = "the kubeconfig names no cluster as its current context's.";
      throw new AuditshipError("AUDITSHIP_KUBERNETES", what, { file: kubeconfig });
    }
    return new KubernetesClient(config, server);
  }

  /** The answer's JSON. Rejects with KubernetesError, or with the system's errors. */
  async json<Answer>(path: string, request: KubernetesRequest = {}): Promise<Answer> {
    const patience = AbortSignal.timeout(PATIENCE);
    const signal = request.signal ? AbortSignal.any([request.signal, patience]) : patience;
    const answer = await this.#ask(path, { ...request, signal });
    return JSON.parse(await whole(answer)) as Answer;
  }

  /** Resolves when the answer begins, to its lines as they come, until the server or `signal` ends it. Rejects as `json` does. */
  async lines(path: string, request: KubernetesRequest): Promise<AsyncIterable<string>> {
    return linesOf(await this.#ask(path, request));
  }

  async #ask(path: string, { method = "GET", query, accept, body, contentType, signal }: KubernetesRequest) {
    const options: RequestOptions & { headers: Record<string, string> } = {
      method,
      signal,
      hostname: this.#server.hostname.replace(/^\[|\]$/g, ""),
      port: this.#server.port,
      path: `${this.#server.pathname.replace(/\/$/, "")}${path}${query ? `?${new URLSearchParams(query)}` : ""}`,
      headers: { accept: accept ?? "application/json", "user-agent": "auditship" },
    };
    await this.#config.applyToHTTPSOptions(options);
    if (body) options.headers["content-type"] = contentType ?? "application/json";
    const request = (this.#server.protocol === "http:" ? httpRequest : httpsRequest)(options);
    request.end(body && JSON.stringify(body));
    const [answer] = (await once(request, "response", { signal })) as [IncomingMessage];
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    throw new KubernetesError(status, `${method} ${path}: ${status} ${reasonOf(await whole(answer))}`);
  }
}

async function* linesOf(answer: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  for await (const chunk of answer) {
    let from = 0;
    for (let to = chunk.indexOf(NEWLINE); to >= 0; to = chunk.indexOf(NEWLINE, from)) {
      yield Buffer.concat([...rest, chunk.subarray(from, to)]).toString("utf8");
      rest = [];
      from = to + 1;
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
  }
}

async function whole(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_ANSWER) throw new Error(`an answer of more than ${MAX_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The machine word of a Status. */
function reasonOf(text: string): string {
  try {
    const { reason } = JSON.parse(text) as { reason?: unknown };
    return typeof reason === "string" ? reason : "";
  } catch {
    return "";
  }
}
