/**
 * Writes the pages and the schema that are generated from the tables in src/: `npm run docs`. A test holds that what is
 * committed is what this gives.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { POLICY, PROFILE_NAMES, PROFILES } from "../plugins/stages/redact/profile.js";
import { builtins } from "../src/config/plugins.js";
import { configSchema, sinkSchema, sourceSchema } from "../src/config/schema.js";
import { inner, shapeOf } from "../src/config/shape.js";
import { METRICS, type MetricDefinition } from "../src/observe/metrics.js";
import { ERRORS } from "../src/plugin/error.js";
import { httpShape } from "../src/plugin/http.js";
import type { Plugin, PluginKind } from "../src/plugin/registry.js";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const registry = builtins();
const LINE_WIDTH = 120;

/** A key of the configuration, with all that its row says. */
export interface Key {
  path: string;
  type: string;
  default: string;
  description: string;
}

/** Every generated file: its path from the root, and its text. */
export async function render(): Promise<Map<string, string>> {
  return new Map([
    ["docs/configuration.md", await configurationPage()],
    ["docs/metrics.md", metricsPage()],
    ["docs/errors.md", errorsPage()],
    ["docs/redaction.md", redactionPage()],
    ["config/schema.json", `${pretty(await jsonSchema())}\n`],
  ]);
}

/** The keys of a section and all below, in the schema's order. */
export function keysOf(schema: z.core.$ZodType, prefix = ""): Key[] {
  return Object.entries(shapeOf(schema) ?? {}).flatMap(([name, value]) => {
    const path = prefix ? `${prefix}.${name}` : name;
    const below = keysOf(value, path);
    const description = descriptionOf(value);
    // A group of keys needs no row of its own, unless it says something.
    if (below.length > 0 && !description) return below;
    return [{ path, type: typeOf(value), default: defaultOf(value), description }, ...below];
  });
}

/** The options of every built-in plugin, by kind and name. */
export async function pluginOptions(): Promise<{ kind: PluginKind; plugin: Plugin; options: z.ZodObject }[]> {
  const all = [];
  for (const kind of ["source", "stage", "sink"] as const) {
    for (const name of registry.names(kind)) {
      const plugin = await registry.load(kind, name, root);
      all.push({ kind, plugin, options: plugin.options(z) as z.ZodObject });
    }
  }
  return all;
}

// ---- configuration

const INTRODUCTION = `# Configuration

One YAML file, given to every command as \`-c FILE\`. Only a source's \`path\` and the sinks' addresses have no default.

- An unknown key is an error that names its line and the key that was probably meant. \`auditship check -c FILE\` finds all of
  them, and says what the configuration would do.
- \`\${NAME}\` in a value is replaced by an environment variable, \`\${NAME:-default}\` falls back if it is unset or empty, and
  \`$\${\` is the text \`\${\`. A variable is always one value, never YAML. Within a flow mapping (\`{ … }\`) quote it.
- Relative paths are relative to the file.
- A size is \`32MiB\`, \`20MB\` or a number of bytes; a duration \`250ms\`, \`1s\`, \`5m\`, \`2h\`, \`7d\` or a number of milliseconds (times
  that the agent waits for are at most \`24d\`); a rate \`20MB/s\`.
- A changed file (or SIGHUP) takes effect between two batches: rules, stages and sinks. Changes of these keys need a restart, and the
  log says so: \`sources\`, \`state\`, \`cluster\`, \`node\`, \`labels\`, \`memory\`, \`maxLine\`, \`kubernetes\`, \`rules.watch\`,
  \`rules.namespaces\` and \`observe\`. A file with errors leaves the old configuration in force.
- Editors complete and check the file with \`# yaml-language-server: $schema=…/config/schema.json\` as its first line.
`;

async function configurationPage(): Promise<string> {
  const plugins = await pluginOptions();
  const section = (title: string, text: string, keys: Key[]) =>
    [`## ${title}`, ...(text ? [text] : []), keys.length > 0 ? keyTable(keys) : "No options."].join("\n\n");
  const ofKind = (kind: PluginKind, title: (name: string) => string, tableOf = keyTable) =>
    plugins
      .filter((entry) => entry.kind === kind)
      .map(({ plugin, options }) => `### ${title(plugin.name)}\n\n${tableOf(keysOf(options))}`);
  const top = keysOf(configSchema).filter(({ path }) => !["sources", "sinks", "stages"].includes(path));
  return `${[
    GENERATED,
    INTRODUCTION.trimEnd(),
    section("Top level", "", top),
    section("sources.NAME", "Each source is one log. Options of every source:", keysOf(sourceSchema)),
    ...ofKind("source", (name) => `type: ${name}`),
    `## stages\n\nA list, in the order in which they run; each a name, or a name with options. Default: ${defaultOf(configSchema.shape.stages)}.`,
    ...ofKind("stage", (name) => name),
    section("sinks.NAME", "Options of every sink. Some defaults depend on its type.", keysOf(sinkSchema)),
    ...ofKind("sink", (name) => `type: ${name}`, sinkTable),
    `### HTTP\n\nOptions of all sinks that send over HTTP.\n\n${keyTable(httpKeys())}`,
  ].join("\n\n")}\n`;
}

/** What all sinks over HTTP take, which has a table of its own. */
const httpKeys = () => keysOf(z.object(httpShape(z)));

function sinkTable(keys: Key[]): string {
  const shared = new Set(httpKeys().map((key) => JSON.stringify(key)));
  const own = keys.filter((key) => !shared.has(JSON.stringify(key)));
  const more = own.length < keys.length ? "\n\nAnd those of [HTTP](#http) that are not listed here." : "";
  return keyTable(own) + more;
}

function keyTable(keys: Key[]): string {
  if (keys.length === 0) return "No options.";
  const rows = keys.map((key) => [`\`${key.path}\``, key.type, key.default && `\`${key.default}\``, key.description]);
  return table(["Key", "Type", "Default", ""], rows);
}

/** What a value is, in the words of the introduction. */
function typeOf(schema: z.core.$ZodType): string {
  const title = metaOf(schema).title;
  if (title) return title;
  const def = inner(schema)._zod.def as {
    type: string;
    entries?: Record<string, string>;
    values?: unknown[];
    element?: z.core.$ZodType;
    valueType?: z.core.$ZodType;
    options?: z.core.$ZodType[];
    format?: string;
  };
  if (def.entries)
    return Object.values(def.entries)
      .map((value) => `\`${value}\``)
      .join(", ");
  if (def.values) return def.values.map((value) => `\`${value}\``).join(", ");
  if (def.options) return [...new Set(def.options.map(typeOf))].join(" or ");
  if (def.element) return `list of ${typeOf(def.element)}`;
  if (def.valueType) return `map to ${typeOf(def.valueType)}`;
  if (def.type === "string") return def.format === "datetime" ? "time" : def.format === "url" ? "URL" : "text";
  if (def.type === "boolean") return "`true`, `false`";
  return def.type;
}

function defaultOf(schema: z.core.$ZodType): string {
  const def = schema._zod.def as { type: string; defaultValue?: unknown; innerType?: z.core.$ZodType };
  if (def.defaultValue !== undefined) {
    const empty = typeof def.defaultValue === "object" && Object.keys(def.defaultValue as object).length === 0;
    return def.defaultValue === "" || (empty && shapeOf(schema)) ? "" : yaml(def.defaultValue);
  }
  return def.innerType ? defaultOf(def.innerType) : "";
}

const yaml = (value: unknown): string =>
  typeof value === "string" ? value : Array.isArray(value) ? `[${value.map(yaml).join(", ")}]` : JSON.stringify(value);

const descriptionOf = (schema: z.core.$ZodType): string => metaOf(schema).description ?? "";

/** What is said of a type, or of what is under its defaults. */
function metaOf(schema: z.core.$ZodType): { title?: string; description?: string } {
  const { innerType } = schema._zod.def as { innerType?: z.core.$ZodType };
  return { ...(innerType && metaOf(innerType)), ...z.globalRegistry.get(schema) };
}

// ---- JSON Schema

/** For editors: what the loader accepts, with the options of the built-in plugins. */
async function jsonSchema(): Promise<object> {
  const plugins = await pluginOptions();
  const entry = (kind: PluginKind, common: z.ZodObject) => {
    const builtIn = plugins
      .filter((one) => one.kind === kind)
      .map(({ plugin: { name }, options }) => {
        const type = name === "file" && kind === "source" ? z.literal(name).optional() : z.literal(name);
        return z.strictObject({ ...options.shape, ...common.shape, type });
      });
    const foreign = z.looseObject({ ...common.shape, type: z.string().regex(/[./@]/) });
    return z.record(z.string(), z.union([...builtIn, foreign]));
  };
  const schema = z.strictObject({
    ...configSchema.shape,
    sources: entry("source", sourceSchema),
    stages: z.array(stageEntry(plugins)).optional().describe("In this order."),
    sinks: entry("sink", sinkSchema),
  });
  return { title: "auditship configuration", ...z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) };
}

function stageEntry(plugins: Awaited<ReturnType<typeof pluginOptions>>): z.ZodType {
  const stages = plugins.filter(({ kind }) => kind === "stage");
  const withOptions = stages.map(({ plugin, options }) => z.strictObject({ [plugin.name]: options }));
  return z.union([z.enum(stages.map(({ plugin }) => plugin.name)), z.string().regex(/[./@]/), ...withOptions]);
}

/** JSON as the formatter has it: lists of plain values on one line where they fit. */
function pretty(value: unknown, indent = "", used = 0): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const flat = `[${Array.isArray(value) ? value.map((item) => JSON.stringify(item)).join(", ") : ""}]`;
  const plain = Array.isArray(value) && value.every((item) => typeof item !== "object");
  if (plain && indent.length + used + flat.length < LINE_WIDTH) return flat;
  const deeper = `${indent}  `;
  const entries = Array.isArray(value)
    ? value.map((item) => pretty(item, deeper))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${pretty(item, deeper, key.length + 4)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return entries.length === 0 ? open + close : `${open}\n${deeper}${entries.join(`,\n${deeper}`)}\n${indent}${close}`;
}

// ---- redaction

const PROFILE_TABLES = /(?<=<!-- profiles: npm run docs -->\n)[\s\S]*(?=<!-- end of profiles -->)/;

/** The page as it is, with the tables of the profiles made anew. */
function redactionPage(): string {
  const profiles = PROFILE_NAMES.map((name) => `- \`${name}\`: ${PROFILES[name]}`).join("\n");
  const rows = POLICY.map(({ what, where, outcomes }) => [what, where, ...PROFILE_NAMES.map((name) => outcomes[name])]);
  const rendered = `\n${profiles}\n\n${table(["what", "where", ...PROFILE_NAMES.map((name) => `\`${name}\``)], rows)}\n\n`;
  return readFileSync(join(root, "docs/redaction.md"), "utf8").replace(PROFILE_TABLES, () => rendered);
}

// ---- metrics and errors

function metricsPage(): string {
  const rows = Object.entries<MetricDefinition>(METRICS).map(([name, { type, labels, help, maxSeries }]) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(", "),
    maxSeries ? `${help} At most ${maxSeries} series.` : help,
  ]);
  return `${[
    GENERATED,
    "# Metrics",
    "Served at `/metrics` of `observe.listen` in Prometheus' text format, with those of the process (`process_*`, `nodejs_*`). Labels hold names from the configuration or small fixed sets; where a client could choose the text, the number of series is bounded and the rest counts as `other`.",
    table(["Metric", "Type", "Labels", ""], rows),
  ].join("\n\n")}\n`;
}

function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([code, meaning]) => [`\`${code}\``, meaning]);
  return `${[
    GENERATED,
    "# Errors",
    "Every error has a code. Commands write them to stderr as `file:line:column: what, and what to do. (CODE)`; the agent writes them to its log. Exit codes: 0 fine, 1 failed, 2 usage or configuration.",
    table(["Code", "Meaning"], rows),
  ].join("\n\n")}\n`;
}

const GENERATED = "<!-- Generated by `npm run docs`; do not edit. -->";

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  return [line(head), `|${head.map(() => " --- |").join("")}`, ...rows.map(line)].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of await render()) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}
