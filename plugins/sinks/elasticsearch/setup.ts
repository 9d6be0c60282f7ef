import { AuditshipError, type HttpClient } from "../../../src/plugin/index.js";
import { type Kept, type Lifecycle, lifecycleOf, needsLifecycle, whyKept } from "./lifecycle.js";
import type { Distribution } from "./mappings/types.js";
import { MANAGED_BY, nameOf, TEMPLATE_VERSION } from "./names.js";
import type { SetupOptions } from "./preview.js";
import { Server } from "./server.js";
import { indexTemplate, templatePath } from "./template.js";

const ERRORS = {
  code: "AUDITSHIP_SETUP",
  rights: "Setup needs the rights to manage index templates and lifecycle policies.",
} as const;

/**
 * Makes the lifecycle policy (where the server has such) and the index template, or brings its own older ones up to date.
 * Never touches what it did not make. Throws AUDITSHIP_SETUP.
 */
export async function setup(http: HttpClient, options: SetupOptions, signal: AbortSignal): Promise<string[]> {
  const server = new Server(http, ERRORS, signal);
  const distribution = await server.distribution();
  const lifecycle = lifecycleOf(distribution, options);
  const outcome = needsLifecycle(options)
    ? await setUpLifecycle(server, lifecycle)
    : await endLifecycle(server, lifecycle, options);
  return [outcome.line, await setUpTemplate(server, distribution, options, outcome.made ? lifecycle.name : undefined)];
}

interface Outcome {
  /** True if the policy is there now. */
  made: boolean;
  line: string;
}

async function setUpLifecycle(server: Server, lifecycle: Lifecycle): Promise<Outcome> {
  const { feature, name, path, body, means } = lifecycle;
  const found = await server.get(path);
  if (found.status !== 200 && found.status !== 404) {
    const advice = `this server has no ${feature} (${found.status}). Run auditship retention once a day`;
    return { made: false, line: `lifecycle: none; ${advice}` };
  }
  const current = found.status === 200 ? markOf(lifecycle, found.body) : undefined;
  if (current === "foreign") throw foreign("lifecycle policy", name);
  if (current && current.version > TEMPLATE_VERSION) {
    return { made: true, line: `lifecycle policy ${name}: left alone, a newer auditship made it` };
  }
  if (!current?.same) await server.put(path + (current?.unless ?? ""), body);
  return { made: true, line: `lifecycle policy ${name}: ${means}` };
}

/** Lets a policy of ours that was for another retention delete nothing more: it would go on, whatever the template says. */
async function endLifecycle(server: Server, lifecycle: Lifecycle, kept: Kept): Promise<Outcome> {
  const { feature, name, path, body } = lifecycle;
  const why = whyKept(kept);
  const found = await server.get(path);
  const current = found.status === 200 ? markOf(lifecycle, found.body) : undefined;
  if (current === undefined || current === "foreign") return { made: false, line: `lifecycle: none (${why})` };
  if (feature === "ILM") {
    await server.put(path, body);
    return { made: false, line: `lifecycle policy ${name}: deletes nothing any more (${why})` };
  }
  await server.delete(path);
  const rest = `indices made under it keep it: POST /_plugins/_ism/remove/${kept.target.pattern}`;
  return { made: false, line: `lifecycle policy ${name}: deleted (${why}); ${rest}` };
}

/** What is known of a policy that is ours. */
interface Mark {
  version: number;
  /** True if it says what it is to say. */
  same: boolean;
  /** The condition under which it is replaced. */
  unless: string;
}

function markOf({ feature, name, body }: Lifecycle, found: unknown): Mark | "foreign" {
  return feature === "ILM" ? ilmMark((found as IlmAnswer)?.[name]) : ismMark(found as IsmAnswer, body as IsmBody);
}

type IlmAnswer = Record<string, { policy?: { _meta?: { managed_by?: string; version?: number } } }>;

/** Putting an equal policy changes nothing, so it needs no comparing. */
function ilmMark(found: IlmAnswer[string] | undefined): Mark | "foreign" {
  const mark = found?.policy?._meta;
  return mark?.managed_by === MANAGED_BY ? { version: mark.version ?? 0, same: false, unless: "" } : "foreign";
}

interface IsmBody {
  policy?: { description?: string };
}

interface IsmAnswer extends IsmBody {
  _seq_no: number;
  _primary_term: number;
}

function ismMark(found: IsmAnswer, wanted: IsmBody): Mark | "foreign" {
  const description = found.policy?.description ?? "";
  if (!description.startsWith(`${MANAGED_BY}:`)) return "foreign";
  return {
    version: Number(/\(version (\d+)\)$/.exec(description)?.[1] ?? 0),
    same: description === wanted.policy?.description,
    unless: `?if_seq_no=${found._seq_no}&if_primary_term=${found._primary_term}`,
  };
}

async function setUpTemplate(
  server: Server,
  distribution: Distribution,
  { target, shape }: SetupOptions,
  policy: string | undefined,
): Promise<string> {
  const wanted = indexTemplate(distribution, target, shape, policy);
  const name = nameOf(target);
  const path = templatePath(target);
  const found = await server.get(path);
  const templates = (found.body as { index_templates?: { index_template: typeof wanted }[] })?.index_templates;
  const current = templates?.[0]?.index_template;
  if (current && current._meta?.managed_by !== MANAGED_BY) throw foreign("index template", name);
  if (current && current._meta.version > TEMPLATE_VERSION) {
    return `index template ${name} (${target.pattern}): left alone, a newer auditship made it`;
  }
  await server.put(path, wanted);
  const before = current ? (current._meta.version === TEMPLATE_VERSION ? "was there" : "updated") : "made";
  return `index template ${name} (${target.pattern}): version ${TEMPLATE_VERSION}, ${before}`;
}

const foreign = (what: string, name: string) =>
  new AuditshipError(
    "AUDITSHIP_SETUP",
    `${what} ${name} exists and was not made by auditship; it is left alone. Rename or delete it, then run setup again.`,
  );
