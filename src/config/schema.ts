import { z } from "zod";
import { address } from "../plugin/address.js";
import { NAME } from "../plugin/name.js";
import { delay, rate, size } from "../plugin/units.js";

/*
 * The configuration file (DESIGN §9): the one source of defaults, docs/configuration.md, the JSON Schema and `check`. Every
 * key has a description. Options of plugins are their own schemas, laid over {@link sinkSchema} and {@link sourceSchema}.
 */

/** They share one memory of WebAssembly, which reaches 4 GiB and is addressed by numbers of 32 bits with a sign. */
const MOST_BUFFERS = 1024 ** 3;

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
    .describe("Events that match this condition (KubeSphere dialect, envelope fields only) are left out, and counted."),
});

const requestSchema = z.strictObject({
  maxBytes: size().prefault("4MiB").describe("Largest request, before compression."),
  maxEvents: z.number().int().positive().default(5000).describe("Most events of a request."),
  maxWait: delay()
    .optional()
    .describe("Longest time that an event waits for company: 1s, 50ms for sinks that take alerting."),
});

const retrySchema = z.strictObject({
  initial: delay().prefault("500ms").describe("First backoff; doubles with full jitter."),
  max: delay().prefault("30s").describe("Longest backoff."),
  slow: delay().prefault("60s").describe("Backoff for what only an operator can mend (401, 403, missing index)."),
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
    .describe("For a sink without a cursor. Default: the source's; end for a sink that takes alerting."),
  required: z
    .boolean()
    .default(true)
    .describe(
      "/readyz waits until this sink has answered once, and as long as it waits for what only an operator can mend. Of others /readyz says so, and does not wait.",
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
      "Most requests in flight. How many there are adapts to how fast the sink answers, from 1 up to it, within memory.buffers. Default 16; 1 for sinks that keep order.",
    ),
  compression: z
    .enum(["gzip", "none"])
    .optional()
    .describe("Of request bodies. Default: gzip for elasticsearch, none elsewhere."),
  catchUp: z
    .enum(["oldest", "newest"])
    .optional()
    .describe(
      "After an outage: oldest reads on in the log's order; newest takes what is written now at once, and the backlog beside it. Default: newest for alertmanager, oldest elsewhere; file and stdout keep the order.",
    ),
  rate: rate().optional().describe("Most bytes per second while catching up."),
  stallAfter: delay()
    .prefault("2s")
    .describe(
      "A sink that fails and takes nothing for so long is parked: it waits, without memory, until its far end answers.",
    ),
  deadLetters: z
    .strictObject({
      maxSize: size().prefault("256MiB").describe("Size of this sink's dead letters on disk."),
      whenFull: z.enum(["park", "dropOldest"]).default("park").describe("park, or dropOldest (counted as loss)."),
    })
    .prefault({}),
});

const oneOrMore = z.union([z.string().transform((one) => [one]), z.array(z.string()).min(1)]);

export const rulesSchema = z.strictObject({
  paths: z.array(z.string()).default([]).describe("Rule files or directories."),
  archivingPriority: z.string().default("DEBUG").describe("Archiving rules below it archive nothing."),
  alertingPriority: z.string().default("WARNING").describe("Alerting rules below it archive but do not alert."),
  stages: z
    .array(z.enum(["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"]))
    .default(["ResponseStarted", "ResponseComplete", "Panic"])
    .describe("Audit stages that KubeSphere's and Sigma's rules look at."),
  watch: z
    .boolean()
    .default(false)
    .describe("Watch KubeSphere's Rule and Webhook resources in the API server, beside the paths."),
  namespaces: z
    .array(z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "expected the name of a namespace"))
    .min(1)
    .default(["kubesphere-logging-system"])
    .describe(
      "Whose Rule resources are watched. Who may write Rule resources there may have anything archived and alerted.",
    ),
  auditPolicy: z
    .string()
    .optional()
    .describe("File with kube-apiserver's audit policy: rules that can never match under it are warned of."),
  receivers: z
    .boolean()
    .default(true)
    .describe(
      "The receivers of KubeSphere's Webhook resource, if one stands among the rules or is watched, are sinks, unless sinks has one of that name.",
    ),
  like: z
    .enum(["upstream", "anchored"])
    .default("upstream")
    .describe(
      "KubeSphere's like: found anywhere in the text, as its engine has it, or the whole text is like the pattern, as its documentation says.",
    ),
  falco: z
    .strictObject({
      matching: z
        .enum(["first", "all"])
        .default("first")
        .describe("Of Falco's rules that match an event, only the first alerts, or all do."),
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
        .describe("Names in Sigma's rules, and the field or fields of an audit event that they mean."),
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
  log: logLevel.default("info").describe("Least severe log line that is written to stderr."),
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
  cluster: z.string().default("").describe("Name of the cluster, into every document and alert."),
  node: z.string().default("").describe("Name of this node. Default: the host's."),
  labels: z.record(z.string(), z.string()).default({}).describe("Into every document and alert."),
  memory: z
    .strictObject({
      buffers: size()
        .refine((bytes) => bytes <= MOST_BUFFERS, "expected at most 1GiB")
        .prefault("32MiB")
        .describe("All batches and requests together."),
    })
    .prefault({}),
  kubernetes: z
    .strictObject({
      kubeconfig: z
        .string()
        .optional()
        .describe(
          "Of the API server that is watched. Default: KUBECONFIG, ~/.kube/config, or the pod's service account.",
        ),
    })
    .prefault({}),
  maxLine: size().prefault("24MiB").describe("Longest line that is handled whole."),
  shutdownTimeout: delay().prefault("10s").describe("How long a stop waits for requests in flight."),
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
