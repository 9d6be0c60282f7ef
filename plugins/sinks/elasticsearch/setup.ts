import type { Client } from "@elastic/elasticsearch";
import { AuditshipError, type HttpClient } from "../../../src/plugin/index.js";
import { answerOf, createClient } from "./client.js";
import { type Distribution, ilmPolicy, indexTemplate, ismPolicy, MANAGED_BY, TEMPLATE_VERSION } from "./template.js";

export interface SetupOptions {
  /** `audit-*`: the indices the template is for. */
  pattern: string;
  /** True if there is an index per day: only such can be deleted by age. */
  daily: boolean;
  /** Milliseconds that an event is kept; undefined: for ever. */
  retention: number | undefined;
}

const HOUR = 3_600_000;

/**
 * Makes the lifecycle policy (where the server has such) and the index template, or brings its own older ones up to date.
 * Never touches what it did not make. Throws AUDITSHIP_SETUP.
 */
export async function setup(http: HttpClient, options: SetupOptions, signal: AbortSignal): Promise<string[]> {
  const server = new Server(createClient(http), signal);
  const distribution = await server.distribution();
  const name = `auditship-${options.pattern.replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "")}`;
  const lifecycle = await setUpLifecycle(server, distribution, name, options);
  const policy = lifecycle.done ? name : undefined;
  return [lifecycle.line, await setUpTemplate(server, name, indexTemplate(distribution, options.pattern, policy))];
}

type Lifecycle = { done: boolean; line: string };

async function setUpLifecycle(
  server: Server,
  distribution: Distribution,
  name: string,
  { pattern, daily, retention }: SetupOptions,
): Promise<Lifecycle> {
  if (retention === undefined) return { done: false, line: "lifecycle: none (retention: none)" };
  if (!daily) return { done: false, line: "lifecycle: none; only an index per day ({date}) can be deleted by age" };
  // A day's index is as old as its first event: its last one has to be kept as long.
  const hours = Math.ceil(retention / HOUR) + 24;
  return distribution === "opensearch"
    ? setUpIsm(server, name, ismPolicy(hours, pattern), hours)
    : setUpIlm(server, name, ilmPolicy(hours), hours);
}

async function setUpIlm(server: Server, name: string, wanted: ReturnType<typeof ilmPolicy>, hours: number) {
  const path = `/_ilm/policy/${name}`;
  const found = await server.get(path);
  if (found.status !== 200 && found.status !== 404) return noLifecycle("ILM", found.status);
  const current = (found.body as Record<string, { policy: { _meta?: { managed_by?: string } } }>)?.[name]?.policy;
  if (current && current._meta?.managed_by !== MANAGED_BY) throw foreign("lifecycle policy", name);
  await server.put(path, wanted);
  return { done: true, line: `lifecycle policy ${name}: indices are deleted ${hours} h after their creation` };
}

async function setUpIsm(server: Server, name: string, wanted: ReturnType<typeof ismPolicy>, hours: number) {
  const path = `/_plugins/_ism/policies/${name}`;
  const found = await server.get(path);
  if (found.status !== 200 && found.status !== 404) return noLifecycle("ISM", found.status);
  const current = found.status === 200 ? (found.body as IsmAnswer) : undefined;
  if (current && !current.policy?.description?.startsWith(`${MANAGED_BY}:`)) throw foreign("lifecycle policy", name);
  const unless = current ? `?if_seq_no=${current._seq_no}&if_primary_term=${current._primary_term}` : "";
  if (current?.policy?.description !== wanted.policy.description) await server.put(path + unless, wanted);
  return { done: true, line: `lifecycle policy ${name}: indices are deleted ${hours} h after their creation` };
}

interface IsmAnswer {
  _seq_no: number;
  _primary_term: number;
  policy?: { description?: string };
}

function noLifecycle(feature: string, status: number): Lifecycle {
  const line = `lifecycle: none; this server has no ${feature} (${status}). Delete old indices by other means`;
  return { done: false, line };
}

async function setUpTemplate(server: Server, name: string, wanted: ReturnType<typeof indexTemplate>): Promise<string> {
  const path = `/_index_template/${name}`;
  const found = await server.get(path);
  const templates = (found.body as { index_templates?: { index_template: typeof wanted }[] })?.index_templates;
  const current = templates?.[0]?.index_template;
  if (current && current._meta?.managed_by !== MANAGED_BY) throw foreign("index template", name);
  const pattern = wanted.index_patterns.join();
  if (current && current._meta.version > TEMPLATE_VERSION) {
    return `index template ${name} (${pattern}): left alone, a newer auditship made it`;
  }
  await server.put(path, wanted);
  const before = current ? (current._meta.version === TEMPLATE_VERSION ? "was there" : "updated") : "made";
  return `index template ${name} (${pattern}): version ${TEMPLATE_VERSION}, ${before}`;
}

const foreign = (what: string, name: string) =>
  new AuditshipError(
    "AUDITSHIP_SETUP",
    `${what} ${name} exists and was not made by auditship; it is left alone. Rename or delete it, then run setup again.`,
  );

/** The server's administrative side. */
class Server {
  constructor(
    private readonly client: Client,
    private readonly signal: AbortSignal,
  ) {}

  async distribution(): Promise<Distribution> {
    const { status, body } = await this.get("/");
    if (status !== 200) throw failed("GET /", status, "");
    return (body as { version?: { distribution?: string } }).version?.distribution === "opensearch"
      ? "opensearch"
      : "elasticsearch";
  }

  /** Any status; 401 and 403 are thrown. */
  async get(path: string): Promise<{ status: number; body: unknown }> {
    try {
      return {
        status: 200,
        body: await this.client.transport.request({ method: "GET", path }, { signal: this.signal }),
      };
    } catch (cause) {
      const answer = answerOf(cause);
      if (!answer || answer.status === 401 || answer.status === 403) throw asSetupError(`GET ${path}`, cause);
      return { status: answer.status, body: undefined };
    }
  }

  async put(path: string, body: object): Promise<void> {
    try {
      await this.client.transport.request(
        { method: "PUT", path, body: body as Record<string, unknown> },
        { signal: this.signal },
      );
    } catch (cause) {
      throw asSetupError(`PUT ${path}`, cause);
    }
  }
}

function asSetupError(what: string, cause: unknown): AuditshipError {
  const answer = answerOf(cause);
  // Templates and policies hold nothing of an event: the server's own words may be shown.
  if (answer) return failed(what, answer.status, answer.error.reason ?? "", cause);
  return new AuditshipError("AUDITSHIP_SETUP", `${what}: ${(cause as Error).message}`, {}, { cause });
}

function failed(what: string, status: number, reason: string, cause?: unknown): AuditshipError {
  const said = reason === "" ? `${status}` : `${status}, ${reason}`;
  const right =
    status === 401 || status === 403 ? " Setup needs the rights to manage index templates and policies." : "";
  return new AuditshipError("AUDITSHIP_SETUP", `${what} was answered with ${said}.${right}`, {}, { cause });
}
