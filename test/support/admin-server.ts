import { createServer } from "node:http";
import { z } from "zod";
import type { Distribution } from "../../plugins/sinks/elasticsearch/mappings/types.js";
import { serve } from "./serve.js";

type Json = Record<string, unknown>;

/** The administrative side of a search server, as Elasticsearch and OpenSearch document it. */
export interface AdminServer {
  url: string;
  /** What lies under each path that can be put to. */
  stored: Map<string, Json>;
  /** Names of indices. */
  indices: Set<string>;
  /** Aliases, which are listed beside their indices. */
  aliases: Map<string, string>;
  /** Every request that changes something, `METHOD path`. */
  changes: string[];
}

export interface AdminOptions {
  /** Paths without a handler. */
  missing?: RegExp;
  /** Indices that are not to be deleted now, as while a snapshot is made of them. */
  busy?: ReadonlySet<string>;
}

const age = z.string().regex(/^\d+(ms|s|m|h|d)$/);
const bytes = z.string().regex(/^\d+(mb|gb)$/);

/** elastic.co/docs: Create or update a lifecycle policy; the actions that we use. */
const ILM = z.strictObject({
  policy: z.strictObject({
    phases: z.strictObject({
      hot: z.strictObject({
        min_age: age,
        actions: z.strictObject({
          rollover: z.strictObject({ max_age: age, max_primary_shard_size: bytes }).optional(),
        }),
      }),
      delete: z.strictObject({ min_age: age, actions: z.strictObject({ delete: z.strictObject({}) }) }).optional(),
    }),
    _meta: z.record(z.string(), z.unknown()),
  }),
});

const action = z.union([
  z.strictObject({ rollover: z.strictObject({ min_index_age: age, min_primary_shard_size: bytes }) }),
  z.strictObject({ delete: z.strictObject({}) }),
]);

/** docs.opensearch.org: ISM policies; the actions and conditions that we use. */
const ISM = z.strictObject({
  policy: z
    .strictObject({
      description: z.string(),
      default_state: z.string(),
      states: z.array(
        z.strictObject({
          name: z.string(),
          actions: z.array(action),
          transitions: z.array(
            z.strictObject({
              state_name: z.string(),
              // One condition at most.
              conditions: z.union([z.strictObject({ min_index_age: age }), z.strictObject({ min_rollover_age: age })]),
            }),
          ),
        }),
      ),
      ism_template: z.array(z.strictObject({ index_patterns: z.array(z.string()), priority: z.number().int() })),
    })
    .refine(({ default_state, states }) => {
      const names = new Set(states.map(({ name }) => name));
      const targets = states.flatMap(({ transitions }) => transitions.map(({ state_name }) => state_name));
      return [default_state, ...targets].every((name) => names.has(name));
    }, "a state that there is not"),
});

const TEMPLATE = z.strictObject({
  index_patterns: z.array(z.string()).min(1),
  data_stream: z.strictObject({ allow_custom_routing: z.boolean().optional() }).optional(),
  priority: z.number().int().nonnegative(),
  version: z.number().int(),
  template: z.strictObject({ settings: z.looseObject({}), mappings: z.looseObject({}) }),
  _meta: z.record(z.string(), z.unknown()),
});

/** Starts one that is empty and ends with the test. */
export async function adminServer(distribution: Distribution, options: AdminOptions = {}): Promise<AdminServer> {
  const { missing = /^$/, busy = new Set() } = options;
  const server: AdminServer = { url: "", stored: new Map(), indices: new Set(), aliases: new Map(), changes: [] };
  const http = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const [path] = request.url!.split("?");
    const name = path.split("/").at(-1)!;
    const answer = (status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    const refuse = (status: number, reason: string) =>
      answer(status, { error: { type: "illegal_argument_exception", reason }, status });
    if (missing.test(path)) return answer(400, { error: `no handler found for uri [${path}]`, status: 400 });
    if (path === "/")
      return answer(200, { version: distribution === "opensearch" ? { distribution } : { number: "8" } });
    if (request.method !== "GET") server.changes.push(`${request.method} ${request.url}`);
    if (request.method === "PUT") {
      const body = JSON.parse(Buffer.concat(chunks).toString());
      const schema = path.startsWith("/_ilm") ? ILM : path.startsWith("/_plugins") ? ISM : TEMPLATE;
      const checked = (schema as z.ZodType).safeParse(body);
      if (!checked.success) return refuse(400, checked.error.message);
      if (schema === TEMPLATE && hasRival(server.stored, path, body)) return refuse(400, "patterns of equal priority");
      server.stored.set(path, body);
      return answer(200, { acknowledged: true });
    }
    if (request.method === "DELETE") {
      if (name.includes("*") || name.includes(",")) return refuse(400, "wildcards are not allowed");
      if (server.stored.delete(path)) return answer(200, { acknowledged: true });
      if (busy.has(name)) return refuse(400, `cannot delete [${name}]: it is being snapshotted`);
      return server.indices.delete(name) ? answer(200, { acknowledged: true }) : refuse(404, "no such index");
    }
    if (name === "_alias") return answer(200, listed(server, path.split("/")[1]));
    const found = server.stored.get(path);
    if (!found) return refuse(404, "no such thing");
    if (path.startsWith("/_ilm")) return answer(200, { [name]: { version: 1, ...found } });
    if (path.startsWith("/_plugins")) return answer(200, { _id: name, _seq_no: 7, _primary_term: 1, ...found });
    return answer(200, { index_templates: [{ name, index_template: found }] });
  });
  server.url = await serve(http);
  return server;
}

/** True if another template of the same priority could be for the same index: both servers refuse that. */
function hasRival(stored: Map<string, Json>, path: string, { index_patterns, priority }: Json): boolean {
  const mayMeet = (a: string, b: string) =>
    asRegExp(a).test(b.replace("*", "")) || asRegExp(b).test(a.replace("*", ""));
  return [...stored].some(([other, template]) => {
    if (other === path || !other.startsWith("/_index_template") || template.priority !== priority) return false;
    return (template.index_patterns as string[]).some((a) => (index_patterns as string[]).some((b) => mayMeet(a, b)));
  });
}

/** Indices with their aliases, found by the name of either. */
function listed({ indices, aliases }: AdminServer, pattern: string): Json {
  const wanted = asRegExp(pattern);
  const found: Json = {};
  for (const index of indices) {
    const names = [...aliases].filter(([, target]) => target === index).map(([alias]) => alias);
    if (![index, ...names].some((name) => wanted.test(name))) continue;
    found[index] = { aliases: Object.fromEntries(names.map((alias) => [alias, {}])) };
  }
  return found;
}

const asRegExp = (pattern: string): RegExp =>
  new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`);
