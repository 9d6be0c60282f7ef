import type { Random } from "./random.js";

/** `user` of an audit event. */
export interface Identity {
  username?: string;
  uid?: string;
  groups?: string[];
  extra?: Record<string, string[]>;
}

/** Who sends a request, and what the authorizer says when it allows it. */
export interface Actor {
  readonly user: Identity;
  readonly sourceIPs: string[];
  readonly userAgent: string;
  readonly reason: string;
}

/** `objectRef` of an audit event; `apiGroup` absent for the core group. */
export interface ObjectRef {
  resource: string;
  namespace?: string;
  name?: string;
  apiGroup?: string;
  apiVersion?: string;
  subresource?: string;
}

export type Level = "Metadata" | "Request" | "RequestResponse";

/** One request to kube-apiserver, as the audit log tells it. */
export interface ApiRequest {
  readonly actor: Actor;
  readonly verb: string;
  /** Absent for what is no resource: then `path` is there. */
  readonly object?: ObjectRef;
  readonly path?: string;
  readonly query?: string;
  readonly level: Level;
  readonly code: number;
  /** Milliseconds from request to answer. */
  readonly latency: number;
  readonly request?: unknown;
  readonly response?: unknown;
  readonly impersonated?: Identity;
  readonly failure?: Failure;
  /** Stages that are logged besides ResponseComplete. */
  readonly received?: boolean;
  readonly started?: boolean;
  /** The only stage, where it is another than ResponseComplete. */
  readonly only?: "ResponseStarted" | "Panic";
}

/** What `responseStatus` says of a request that failed. */
export interface Failure {
  message: string;
  reason: string;
  details?: object;
}

/** Fills the names that a request's path needs. */
function requestUri({ object, path, query, verb }: ApiRequest): string {
  const base = path ?? (object ? objectPath(object, verb) : "/");
  return query ? `${base}?${query}` : base;
}

function objectPath(object: ObjectRef, verb: string): string {
  const version = object.apiVersion ?? "v1";
  const parts = [object.apiGroup ? `/apis/${object.apiGroup}/${version}` : `/api/${version}`];
  if (object.namespace && object.resource !== "namespaces") parts.push("namespaces", object.namespace);
  parts.push(object.resource);
  // A create names its object in the body; a subresource is created below its object.
  if (object.name && (verb !== "create" || object.subresource)) parts.push(object.name);
  if (object.subresource) parts.push(object.subresource);
  return parts.join("/");
}

/** The lines that a request leaves in the audit log, `received` being epoch microseconds. */
export function auditLines(request: ApiRequest, received: number, random: Random): string[] {
  const auditID = random.uuid();
  const answered = received + Math.round(request.latency * 1000);
  const lines: string[] = [];
  if (request.received) lines.push(auditLine(request, auditID, "RequestReceived", received, received));
  if (request.started) lines.push(auditLine(request, auditID, "ResponseStarted", received, received + 900));
  lines.push(auditLine(request, auditID, request.only ?? "ResponseComplete", received, answered));
  return lines;
}

/** One line, its members in the order in which Go writes `audit.k8s.io/v1`. */
export function auditLine(request: ApiRequest, auditID: string, stage: string, received: number, time: number): string {
  const { actor, level, object, failure } = request;
  const answered = stage !== "RequestReceived";
  const complete = stage === "ResponseComplete" || stage === "Panic" || request.only !== undefined;
  return goJson({
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level,
    auditID,
    stage,
    requestURI: requestUri(request),
    verb: request.verb,
    user: actor.user,
    impersonatedUser: request.impersonated,
    sourceIPs: actor.sourceIPs,
    userAgent: actor.userAgent,
    objectRef: object && {
      resource: object.resource,
      namespace: object.namespace,
      name: object.name,
      apiGroup: object.apiGroup,
      apiVersion: object.apiVersion ?? "v1",
      subresource: object.subresource,
    },
    responseStatus: answered ? responseStatus(request.code, failure) : undefined,
    requestObject: complete && level !== "Metadata" ? request.request : undefined,
    responseObject: complete && level === "RequestResponse" ? responseObject(request) : undefined,
    requestReceivedTimestamp: microTime(received),
    stageTimestamp: microTime(time),
    annotations: answered && request.code !== 401 ? authorization(request) : undefined,
  });
}

function responseStatus(code: number, failure: Failure | undefined): object {
  return { metadata: {}, ...statusMembers(failure), code };
}

function statusMembers(failure: Failure | undefined): object {
  if (!failure) return {};
  return { status: "Failure", message: failure.message, reason: failure.reason, details: failure.details };
}

function responseObject({ response, failure, code }: ApiRequest): unknown {
  if (failure) return { kind: "Status", apiVersion: "v1", metadata: {}, ...statusMembers(failure), code };
  return response;
}

function authorization({ actor, failure }: ApiRequest): object {
  const denied = failure?.reason === "Forbidden";
  return {
    "authorization.k8s.io/decision": denied ? "forbid" : "allow",
    "authorization.k8s.io/reason": denied ? "" : actor.reason,
  };
}

/** Epoch microseconds as Kubernetes' MicroTime. */
function microTime(microseconds: number): string {
  const milliseconds = Math.floor(microseconds / 1000);
  const rest = Math.round(microseconds - milliseconds * 1000);
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(rest).padStart(3, "0")}Z`;
}

const HTML = /[<>&\u2028\u2029]/g;

/** JSON as Go's encoding/json writes it: `<`, `>`, `&`, U+2028 and U+2029 are escaped. */
function goJson(value: unknown): string {
  return JSON.stringify(value).replace(HTML, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
