import { envelope, keyword, text } from "./types.js";

/** Our own member, the same in all shapes. */
export const auditship = (body: object): object =>
  envelope({
    cluster: keyword,
    node: keyword,
    source: keyword,
    labels: body,
    workspace: keyword,
    devops: keyword,
    file: keyword,
    offset: { type: "long" },
    item: { type: "integer" },
    latencyMs: { type: "double" },
    rules: keyword,
    matches: envelope({ rule: keyword, priority: keyword, dialect: keyword, message: text }),
    redaction: keyword,
    csrSubject: keyword,
    csrNames: keyword,
    stale: { type: "boolean" },
    salvaged: { type: "boolean" },
    truncated: envelope({ dropped: keyword, length: { type: "long" }, sha256: keyword }),
    invalid: envelope({ reason: keyword, length: { type: "long" }, sha256: keyword }),
    safeShape: keyword,
  });
