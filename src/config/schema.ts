import { z } from "zod";
import { address } from "../plugin/address.js";
import { NAME } from "../plugin/name.js";
import { delay, rate, size } from "../plugin/units.js";

/*
 * The configuration file: the one source of defaults, docs/configuration.md, the JSON Schema and `check`. Every
 * key has a description. Options of plugins are their own schemas, laid over {@link sinkSchema} and {@link sourceSchema}.
 */

/** They share one memory of WebAssembly, which reaches 4 GiB and is addressed by numbers of 32 bits with a sign. */
const MOST_BUFFERS = 1024 ** 3;

/** Milliseconds in which one failed request is sent again (retry.initial by default): a sink is not to be parked for that. */
const LEAST_STALL = 500;

export const nameSchema = z.string().regex(NAME);

/** Where a reader begins that has no cursor. */
const startAtSchema = z
  .union([
    z.enum(["beginning", "end"]),
    z.iso.datetime({ offset: true, error: "expected beginning, end or an RFC 3339 time" }),
  ])
  .describe("Where to start without a cursor: beginning, end, or an RFC 3339 time.");

/** What every source takes, whatever its type. */
export const sourceSchema = z.strictObject({
  type: z.string().default("file").describe("file, webhook, or the package or path of a source plugin."),
  startAt: startAtSchema.default("beginning"),
  drop: z
    .string()
    .optional()
    .describe("Events that match this condition (KubeSphere dialect, envelope fields only) are dropped and counted."),
});

const requestSchema = z.strictObject({
  maxBytes: size().prefault("4MiB").describe("Largest request, before compression."),
  maxEvents: z.number().int().positive().default(5000).describe("Most events in a request."),
  maxWait: delay()
    .optional()
    .describe(
      "Longest time that an event waits for a request to fill. Default: 1s; 50ms for sinks that select alerting.",
    ),
});

const retrySchema = z.strictObject({
  initial: delay().prefault("500ms").describe("First backoff; doubles with full jitter."),
  max: delay().prefault("30s").describe("Longest backoff."),
  slow: delay().prefault("60s").describe("Backoff for what only an operator can fix (401, 403, missing index)."),
});

/** What every sink takes, whatever its type. */
export const sinkSchema = z.strictObject({
  type: z
    .string()
    .describe("elasticsearch, alertmanager, webhook, file, stdout, or the package or path of a sink plugin."),
  select: z
    .string()
    .optional()
    .describe(
      "all, archived, alerting, or a condition. Default: all for archives, alerting for alertmanager and webhook.",
    ),
  startAt: startAtSchema
    .optional()
    .describe("Where to start without a cursor. Default: the source's startAt; end for a sink that selects alerting."),
  required: z
    .boolean()
    .default(true)
    .describe(
      "The agent is ready (/readyz) only once this sink has answered, and not while the sink waits for something that only an operator can fix. If false, /readyz merely mentions it.",
    ),
  request: requestSchema.prefault({}),
  retry: retrySchema.prefault({}),
  concurrency: z
    .number()
    .int()
    .positive()
    .max(64)
    .optional()
    .describe(
      "Most requests in flight. Their number adapts to how fast the sink answers, from 1 up to this, within memory.buffers. Default: 16; 1 for sinks that keep order.",
    ),
  compression: z
    .enum(["gzip", "none"])
    .optional()
    .describe("Compression of request bodies. Default: gzip for elasticsearch, none elsewhere."),
  catchUp: z
    .enum(["oldest", "newest"])
    .optional()
    .describe(
      "After an outage: oldest continues in the order of the log; newest takes what is written now at once, and the backlog beside it. Default: newest for alertmanager, oldest elsewhere; file and stdout keep the order.",
    ),
  rate: rate().optional().describe("Most bytes per second while catching up."),
  stallAfter: delay()
    .refine((ms) => ms >= LEAST_STALL, "expected 500ms or more: with less, one failed request would park the sink")
    .prefault("2s")
    .describe(
      "A sink that fails and accepts nothing for this long is parked: it waits, without using memory, until its far end answers. At least 500ms.",
    ),
  deadLetters: z
    .strictObject({
      maxSize: size().prefault("256MiB").describe("Most bytes of this sink's dead letters on disk."),
      whenFull: z
        .enum(["park", "dropOldest"])
        .default("park")
        .describe("Park the sink, or drop the oldest (counted as loss)."),
    })
    .prefault({}),
});

const oneOrMore = z.union([z.string().transform((one) => [one]), z.array(z.string()).min(1)]);

export const rulesSchema = z.strictObject({
  paths: z.array(z.string()).default([]).describe("Rule files or directories."),
  archivingPriority: z.string().default("DEBUG").describe("Archiving rules below this priority archive nothing."),
  alertingPriority: z
    .string()
    .default("WARNING")
    .describe("Alerting rules below this priority archive but do not alert."),
  stages: z
    .array(z.enum(["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"]))
    .default(["ResponseStarted", "ResponseComplete", "Panic"])
    .describe("Audit stages that KubeSphere's and Sigma's rules look at."),
  watch: z
    .boolean()
    .default(false)
    .describe("Watch KubeSphere's Rule and Webhook resources in the API server, in addition to paths."),
  namespaces: z
    .array(z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "expected the name of a namespace"))
    .min(1)
    .default(["kubesphere-logging-system"])
    .describe(
      "Namespaces whose Rule resources are watched. Whoever may write Rule resources there decides what is archived and alerted.",
    ),
  auditPolicy: z
    .string()
    .optional()
    .describe("File with kube-apiserver's audit policy: rules that can never match under it cause a warning."),
  receivers: z
    .boolean()
    .default(true)
    .describe(
      "Make sinks of the receivers of KubeSphere's Webhook resource, if one lies among the rules or is watched. One of the same name under sinks takes precedence.",
    ),
  like: z
    .enum(["upstream", "anchored"])
    .default("upstream")
    .describe(
      "How KubeSphere's like matches: anywhere in the text, as its engine does (upstream), or the whole text, as its documentation says (anchored).",
    ),
  falco: z
    .strictObject({
      matching: z
        .enum(["first", "all"])
        .default("first")
        .describe("Whether only the first of Falco's rules that match an event counts, or all do."),
      minPriority: z
        .enum(["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"])
        .default("Debug")
        .describe("Falco's rules of a lower priority are not loaded."),
    })
    .prefault({}),
  sigma: z
    .strictObject({
      status: z
        .array(z.enum(["stable", "test", "experimental", "deprecated", "unsupported"]))
        .default(["stable", "test", "experimental"])
        .describe("Sigma's rules of another status are left out."),
      fields: z
        .record(z.string(), oneOrMore)
        .default({})
        .describe("Names in Sigma's rules, each with the field or fields of an audit event that it stands for."),
      placeholders: z
        .record(z.string(), oneOrMore)
        .default({})
        .describe("Values of the placeholders in Sigma's rules (`%name%` with `expand`), wildcards allowed."),
    })
    .prefault({}),
});

const logLevel = z.enum(["debug", "info", "warn", "error", "silent"]);

const observeSchema = z.strictObject({
  listen: z
    .union([z.literal("none"), address()])
    .default("127.0.0.1:9110")
    .describe("Address of /metrics, /healthz and /readyz; port 0 picks a free one, none turns it off."),
  log: logLevel.default("info").describe("Lowest level that is logged to stderr."),
});

/** A stage: its name, or `{name: options}`. */
const stageSchema = z.union([z.string(), z.record(z.string(), z.unknown())]);

export const configSchema = z.strictObject({
  sources: z
    .record(nameSchema, z.looseObject({}))
    .refine((sources) => Object.keys(sources).length > 0, "give at least one source")
    .describe("The logs to read, by name."),
  state: z
    .string()
    .default("/var/lib/auditship")
    .describe("Directory of cursors, sink state, dead letters and the control socket."),
  cluster: z.string().default("").describe("Name of the cluster, added to every document and alert."),
  node: z.string().default("").describe("Name of this node. Default: the host name."),
  labels: z.record(z.string(), z.string()).default({}).describe("Added to every document and alert."),
  memory: z
    .strictObject({
      buffers: size()
        .refine((bytes) => bytes <= MOST_BUFFERS, "expected at most 1GiB")
        .prefault("32MiB")
        .describe("Memory for all batches and requests together."),
    })
    .prefault({}),
  kubernetes: z
    .strictObject({
      kubeconfig: z
        .string()
        .optional()
        .describe(
          "For the API server that is watched. Default: KUBECONFIG, ~/.kube/config, or the pod's service account.",
        ),
    })
    .prefault({}),
  maxLine: size().prefault("24MiB").describe("Longest line that keeps its bodies."),
  shutdownTimeout: delay().prefault("10s").describe("How long stopping waits for requests in flight."),
  rules: rulesSchema.prefault({}),
  stages: z.array(stageSchema).default(["parse", "workspace", "match", "redact"]).describe("In this order."),
  sinks: z
    .record(nameSchema, z.looseObject({ type: z.string() }))
    .refine((sinks) => Object.keys(sinks).length > 0, "give at least one sink")
    .describe("Where events go, by name."),
  observe: observeSchema.prefault({}),
});

export type Config = z.infer<typeof configSchema>;
export type SourceCommon = z.infer<typeof sourceSchema>;
export type SinkCommon = z.infer<typeof sinkSchema>;
export type RulesConfig = z.infer<typeof rulesSchema>;
