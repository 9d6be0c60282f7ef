import { auditship } from "./auditship.js";
import { date, envelope, keyword } from "./types.js";

/** What KubeSphere's console asks for by words and, under `.keyword`, as a whole: as a server maps a string by itself. */
const searched = { type: "text", fields: { keyword } };

/** The fields of a document in shape `kubesphere`. Bodies are text that is kept and not searched. */
export function kubesphere(body: object): object {
  const user = envelope({ Username: searched, UID: searched, Groups: searched });
  return {
    dynamic: false,
    date_detection: false,
    properties: {
      "@timestamp": { type: "date" },
      kind: searched,
      apiVersion: searched,
      Level: searched,
      AuditID: searched,
      Stage: searched,
      RequestURI: searched,
      UserAgent: searched,
      Verb: searched,
      User: user,
      ImpersonatedUser: user,
      SourceIPs: searched,
      ObjectRef: envelope({
        Resource: searched,
        Namespace: searched,
        Name: searched,
        UID: searched,
        APIGroup: searched,
        APIVersion: searched,
        ResourceVersion: searched,
        Subresource: searched,
      }),
      ResponseStatus: envelope({
        status: searched,
        message: searched,
        reason: searched,
        code: { type: "integer", ignore_malformed: true },
      }),
      RequestReceivedTimestamp: date,
      StageTimestamp: date,
      Devops: searched,
      Workspace: searched,
      Cluster: searched,
      Message: searched,
      auditship: auditship(body),
    },
  };
}
