/**
 * The fields of an `audit.k8s.io/v1` Event that the scanner finds, in the order of the field table.
 *
 * Source of the names: `k8s.io/apiserver/pkg/apis/audit/v1/types.go`; `timestamp` is v1beta1's; Workspace, Devops,
 * Cluster and Message are KubeSphere's own (`pkg/apiserver/auditing/v1alpha1/event.go`).
 */
export enum Field {
  kind,
  apiVersion,
  level,
  auditID,
  stage,
  requestURI,
  verb,
  user,
  userUsername,
  userUid,
  userGroups,
  userExtra,
  impersonatedUser,
  impersonatedUserUsername,
  impersonatedUserUid,
  impersonatedUserGroups,
  impersonatedUserExtra,
  sourceIPs,
  userAgent,
  objectRef,
  objectRefResource,
  objectRefNamespace,
  objectRefName,
  objectRefUid,
  objectRefApiGroup,
  objectRefApiVersion,
  objectRefResourceVersion,
  objectRefSubresource,
  responseStatus,
  responseStatusMetadata,
  responseStatusStatus,
  responseStatusMessage,
  responseStatusReason,
  responseStatusDetails,
  responseStatusCode,
  requestObject,
  responseObject,
  requestReceivedTimestamp,
  stageTimestamp,
  annotations,
  authenticationMetadata,
  timestamp,
  workspace,
  devops,
  cluster,
  message,
}

/** How many fields the table has. */
export const FIELD_COUNT = Field.message + 1;

/**
 * The path of each field as `audit.k8s.io/v1` spells it, by field number: `objectRefApiGroup` is `objectRef.apiGroup`.
 * KubeSphere's own four are spelt as KubeSphere does.
 */
export const FIELD_PATHS: readonly string[] = [
  "kind",
  "apiVersion",
  "level",
  "auditID",
  "stage",
  "requestURI",
  "verb",
  "user",
  "user.username",
  "user.uid",
  "user.groups",
  "user.extra",
  "impersonatedUser",
  "impersonatedUser.username",
  "impersonatedUser.uid",
  "impersonatedUser.groups",
  "impersonatedUser.extra",
  "sourceIPs",
  "userAgent",
  "objectRef",
  "objectRef.resource",
  "objectRef.namespace",
  "objectRef.name",
  "objectRef.uid",
  "objectRef.apiGroup",
  "objectRef.apiVersion",
  "objectRef.resourceVersion",
  "objectRef.subresource",
  "responseStatus",
  "responseStatus.metadata",
  "responseStatus.status",
  "responseStatus.message",
  "responseStatus.reason",
  "responseStatus.details",
  "responseStatus.code",
  "requestObject",
  "responseObject",
  "requestReceivedTimestamp",
  "stageTimestamp",
  "annotations",
  "authenticationMetadata",
  "timestamp",
  "Workspace",
  "Devops",
  "Cluster",
  "Message",
];

/** The field's number for a path in any case (`ObjectRef.apigroup`), or undefined. */
export function fieldOfPath(path: string): Field | undefined {
  return FIELD_BY_PATH.get(path.toLowerCase());
}

const FIELD_BY_PATH = new Map<string, Field>(FIELD_PATHS.map((path, field) => [path.toLowerCase(), field]));
