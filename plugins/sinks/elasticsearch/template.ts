/** Which server: Elasticsearch, or OpenSearch, which has `flat_object` and ISM instead of `flattened` and ILM. */
export type Distribution = "elasticsearch" | "opensearch";

/** Raised when {@link mappings} or {@link settings} change, so that `setup` knows its own older ones. */
export const TEMPLATE_VERSION = 1;

/** By this `setup` knows what it made. */
export const MANAGED_BY = "auditship";

/** Lucene takes no term longer than 32,766 bytes; 8,191 characters of four bytes stay below it. */
const LONGEST_TERM = 8191;

const keyword = { type: "keyword", ignore_above: 1024 };
const text = { type: "text" };
const date = { type: "date", ignore_malformed: true };

/** An object of which only the named fields are searchable. */
const envelope = (properties: object) => ({ type: "object", dynamic: false, properties });

/** An object with keys that users choose: one field, however many keys. */
const free = (distribution: Distribution) =>
  distribution === "opensearch"
    ? { type: "flat_object" }
    : { type: "flattened", ignore_above: LONGEST_TERM, depth_limit: 200 };

/**
 * The fields of a document in shape `native` (DESIGN §9). Nothing is indexed that is not named here: below a hundred fields,
 * whatever users write into bodies, labels and annotations.
 */
export function mappings(distribution: Distribution): object {
  const body = free(distribution);
  const user = envelope({ username: keyword, uid: keyword, groups: keyword, extra: body });
  return {
    dynamic: false,
    date_detection: false,
    properties: {
      "@timestamp": { type: "date" },
      kind: keyword,
      apiVersion: keyword,
      level: keyword,
      auditID: keyword,
      stage: keyword,
      requestURI: keyword,
      verb: keyword,
      user,
      impersonatedUser: user,
      sourceIPs: { type: "ip", ignore_malformed: true },
      userAgent: keyword,
      objectRef: envelope({
        resource: keyword,
        namespace: keyword,
        name: keyword,
        uid: keyword,
        apiGroup: keyword,
        apiVersion: keyword,
        resourceVersion: keyword,
        subresource: keyword,
      }),
      responseStatus: envelope({
        status: keyword,
        message: text,
        reason: keyword,
        details: body,
        code: { type: "integer", ignore_malformed: true },
      }),
      requestObject: body,
      responseObject: body,
      requestReceivedTimestamp: date,
      stageTimestamp: date,
      timestamp: date,
      annotations: body,
      authenticationMetadata: body,
      auditship: envelope({
        cluster: keyword,
        node: keyword,
        source: keyword,
        labels: body,
        workspace: keyword,
        file: keyword,
        offset: { type: "long" },
        item: { type: "integer" },
        latencyMs: { type: "double" },
        rules: keyword,
        matches: envelope({ rule: keyword, priority: keyword, dialect: keyword, message: text }),
        redaction: keyword,
        salvaged: { type: "boolean" },
        truncated: envelope({ dropped: keyword, length: { type: "long" }, sha256: keyword }),
        invalid: envelope({ reason: keyword, length: { type: "long" }, sha256: keyword }),
        safeShape: keyword,
      }),
    },
  };
}

/** The composable index template. `policy` is the lifecycle policy that new indices of an Elasticsearch follow. */
export function indexTemplate(distribution: Distribution, pattern: string, policy?: string) {
  const lifecycle = policy !== undefined && distribution === "elasticsearch" ? { lifecycle: { name: policy } } : {};
  return {
    index_patterns: [pattern],
    priority: 200,
    version: TEMPLATE_VERSION,
    template: { settings: { index: { codec: "best_compression", ...lifecycle } }, mappings: mappings(distribution) },
    _meta: { managed_by: MANAGED_BY, version: TEMPLATE_VERSION },
  };
}

/** Elasticsearch's lifecycle policy (ILM): deletes an index so many hours after its creation. */
export function ilmPolicy(hours: number) {
  return {
    policy: {
      phases: { hot: { min_age: "0ms", actions: {} }, delete: { min_age: `${hours}h`, actions: { delete: {} } } },
      _meta: { managed_by: MANAGED_BY, version: TEMPLATE_VERSION },
    },
  };
}

/** OpenSearch's lifecycle policy (ISM), which finds its indices by pattern. It has no `_meta`: the description is the mark. */
export function ismPolicy(hours: number, pattern: string) {
  return {
    policy: {
      description: `${MANAGED_BY}: delete after ${hours} hours (version ${TEMPLATE_VERSION})`,
      default_state: "kept",
      states: [
        {
          name: "kept",
          actions: [],
          transitions: [{ state_name: "deleted", conditions: { min_index_age: `${hours}h` } }],
        },
        { name: "deleted", actions: [{ delete: {} }], transitions: [] },
      ],
      ism_template: [{ index_patterns: [pattern], priority: 200 }],
    },
  };
}
