import { auditship } from "./auditship.js";
import { date, envelope, keyword, text } from "./types.js";

/**
 * The fields of a document in shape `native`. Nothing is indexed that is not named here: below a hundred fields,
 * whatever users write into bodies, labels and annotations.
 */
export function native(body: object): object {
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
      auditship: auditship(body),
    },
  };
}
