import type { Client } from "@elastic/elasticsearch";
import { AuditshipError, type ErrorCode, type HttpClient } from "../../../src/plugin/index.js";
import { answerOf, createClient } from "./client.js";
import type { Distribution } from "./mappings/types.js";

/** What a server is asked for beside `_bulk`. Its errors have the code and the hint at missing rights that it was made with. */
export class Server {
  readonly #client: Client;

  constructor(
    http: HttpClient,
    private readonly errors: { code: ErrorCode; rights: string },
    private readonly signal: AbortSignal,
  ) {
    this.#client = createClient(http);
  }

  async distribution(): Promise<Distribution> {
    const { status, body } = await this.get("/");
    if (status !== 200) throw this.#failed("GET /", status, "");
    return (body as { version?: { distribution?: string } }).version?.distribution === "opensearch"
      ? "opensearch"
      : "elasticsearch";
  }

  /** Any status; 401 and 403 are thrown. */
  async get(path: string): Promise<{ status: number; body: unknown }> {
    try {
      return { status: 200, body: await this.#request("GET", path) };
    } catch (cause) {
      const answer = answerOf(cause);
      if (!answer || answer.status === 401 || answer.status === 403) throw this.#error(`GET ${path}`, cause);
      return { status: answer.status, body: undefined };
    }
  }

  async put(path: string, body: object): Promise<void> {
    try {
      await this.#request("PUT", path, body);
    } catch (cause) {
      throw this.#error(`PUT ${path}`, cause);
    }
  }

  /** False if there is no such thing. */
  async delete(path: string): Promise<boolean> {
    try {
      await this.#request("DELETE", path);
      return true;
    } catch (cause) {
      if (answerOf(cause)?.status === 404) return false;
      throw this.#error(`DELETE ${path}`, cause);
    }
  }

  #request(method: "GET" | "PUT" | "DELETE", path: string, body?: object): Promise<unknown> {
    const params = { method, path, ...(body && { body: body as Record<string, unknown> }) };
    return this.#client.transport.request(params, { signal: this.signal });
  }

  #error(what: string, cause: unknown): AuditshipError {
    const answer = answerOf(cause);
    // Nothing that is asked here holds an event: the server's own words may be shown.
    if (answer) return this.#failed(what, answer.status, answer.error.reason ?? "", cause);
    return new AuditshipError(this.errors.code, `${what}: ${(cause as Error).message}`, {}, { cause });
  }

  #failed(what: string, status: number, reason: string, cause?: unknown): AuditshipError {
    const said = reason === "" ? `${status}` : `${status}, ${reason}`;
    const rights = status === 401 || status === 403 ? ` ${this.errors.rights}` : "";
    return new AuditshipError(this.errors.code, `${what} was answered with ${said}.${rights}`, {}, { cause });
  }
}
