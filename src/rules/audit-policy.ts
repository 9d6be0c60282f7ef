import { z } from "zod";
import { AuditshipError } from "../plugin/index.js";
import { parseDocuments, readRuleFile } from "./documents.js";

/** How much of a request an event records, from least to most. `None`: the request is not logged. */
export const LEVELS = ["None", "Metadata", "Request", "RequestResponse"] as const;
/** The levels that a recorded event can have. */
export const RECORDED_LEVELS = ["Metadata", "Request", "RequestResponse"] as const;
export const STAGES = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"] as const;
export type Level = (typeof LEVELS)[number];

/** A kind of request. An undefined member may be anything. */
export interface RequestKind {
  readonly resource?: string;
  readonly group?: string;
  /** "" for the object itself. */
  readonly subresource?: string;
  readonly verb?: string;
}

/** One way in which a request may be recorded. */
export interface Recording {
  readonly level: (typeof RECORDED_LEVELS)[number];
  readonly stages: readonly string[];
}

const names = z.array(z.string()).nullish();
const ruleSchema = z.looseObject({
  level: z.enum(LEVELS),
  users: names,
  userGroups: names,
  verbs: names,
  namespaces: names,
  nonResourceURLs: names,
  resources: z.array(z.looseObject({ group: z.string().nullish(), resources: names, resourceNames: names })).nullish(),
  omitStages: names,
});
const policySchema = z.looseObject({
  kind: z.literal("Policy"),
  rules: z.array(ruleSchema).min(1),
  omitStages: names,
});

type PolicyRule = z.infer<typeof ruleSchema>;
type Applies = "always" | "sometimes" | "never";

/**
 * kube-apiserver's audit policy (`audit.k8s.io/v1` Policy): how much of each request is recorded. The first rule that applies
 * decides.
 */
export class AuditPolicy {
  constructor(
    readonly file: string,
    private readonly rules: readonly PolicyRule[],
    private readonly omitStages: readonly string[],
  ) {}

  /** Throws AuditshipError. */
  static async load(file: string): Promise<AuditPolicy> {
    const { documents, errors } = parseDocuments(file, await readRuleFile(file, "The audit policy"));
    if (errors.length > 0) throw errors[0];
    const parsed = policySchema.safeParse(documents[0]?.value);
    if (!parsed.success) {
      const [{ path, message }] = parsed.error.issues;
      const where = path.filter((key) => typeof key !== "symbol");
      const place = documents[0]?.place(where) ?? { file };
      throw new AuditshipError(
        "AUDITSHIP_RULE_INVALID",
        `This is no audit policy: ${where.join(".")} ${message}.`,
        place,
      );
    }
    return new AuditPolicy(file, parsed.data.rules, parsed.data.omitStages ?? []);
  }

  /** The ways in which requests of this kind may be recorded; empty if they never are. */
  recordings(request: RequestKind): Recording[] {
    const found: Recording[] = [];
    for (const rule of this.rules) {
      const applies = appliesTo(rule, request);
      if (applies === "never") continue;
      const omitted = [...this.omitStages, ...(rule.omitStages ?? [])];
      if (rule.level !== "None")
        found.push({ level: rule.level, stages: STAGES.filter((stage) => !omitted.includes(stage)) });
      if (applies === "always") break;
    }
    return found;
  }

  /** The API groups in which the policy names a resource. */
  groupsOf(resource: string): string[] {
    const entries = this.rules.flatMap(({ resources }) => resources ?? []);
    const naming = entries.filter((entry) => entry.resources?.some((name) => name.split("/")[0] === resource));
    return [...new Set(naming.map(({ group }) => group ?? ""))];
  }

  /** The subresources that the policy names for a resource; `*` stands for all. */
  subresourcesOf(resource: string | undefined): string[] {
    const entries = this.rules.flatMap(({ resources }) => resources ?? []).flatMap(({ resources }) => resources ?? []);
    const pairs = entries.map((name) => name.split("/")).filter((pair) => pair.length === 2);
    return [...new Set(pairs.filter(([of]) => of === "*" || of === resource).map(([, name]) => name))];
  }
}

function appliesTo(rule: PolicyRule, request: RequestKind): Applies {
  if (has(rule.nonResourceURLs)) return request.resource === undefined ? "sometimes" : "never";
  const parts = [appliesToVerb(rule, request), appliesToResource(rule, request)];
  if (has(rule.users) || has(rule.userGroups) || has(rule.namespaces)) parts.push("sometimes");
  if (parts.includes("never")) return "never";
  return parts.includes("sometimes") ? "sometimes" : "always";
}

function appliesToVerb({ verbs }: PolicyRule, { verb }: RequestKind): Applies {
  if (!has(verbs)) return "always";
  if (verb === undefined) return "sometimes";
  return verbs.includes(verb) ? "always" : "never";
}

/** The same logic as kube-apiserver's `ruleMatchesResource` (apiserver/pkg/audit/policy/checker.go). */
function appliesToResource({ resources }: PolicyRule, request: RequestKind): Applies {
  if (!has(resources)) return "always";
  const parts = resources.map((entry): Applies => {
    if (request.group !== undefined && request.group !== (entry.group ?? "")) return "never";
    const fits = !has(entry.resources) || entry.resources.some((name) => nameFits(name, request));
    if (!fits) return request.resource === undefined ? "sometimes" : "never";
    const isSure = request.resource !== undefined && request.group !== undefined && !has(entry.resourceNames);
    return isSure ? "always" : "sometimes";
  });
  if (parts.includes("always")) return "always";
  return parts.includes("sometimes") ? "sometimes" : "never";
}

function nameFits(name: string, { resource, subresource = "" }: RequestKind): boolean {
  if (subresource === "") return name === "*" || name === resource;
  return ["*", `${resource}/${subresource}`, `${resource}/*`, `*/${subresource}`].includes(name);
}

function has<T>(list: readonly T[] | null | undefined): list is readonly T[] {
  return list !== undefined && list !== null && list.length > 0;
}
