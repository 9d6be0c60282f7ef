import { Field } from "../plugin/index.js";
import type { Level } from "./audit-policy.js";
import type { Rule } from "./rule.js";
import { type Source, testsOf } from "./tree.js";

/** The fields that an event of each level lacks. */
export const ABSENT: Record<Level, ReadonlySet<Field>> = {
  None: new Set(),
  Metadata: new Set([Field.requestObject, Field.responseObject]),
  Request: new Set([Field.responseObject]),
  RequestResponse: new Set(),
};

/** The bodies that a rule reads, in its condition or for its message. */
export function bodiesOf(rule: Rule): Set<Field> {
  const bodies = new Set<Field>();
  for (const source of sourcesOf(rule)) for (const field of bodiesIn(source)) bodies.add(field);
  return bodies;
}

/** All sources that a rule reads. */
export function sourcesOf({ condition, paths }: Rule): Source[] {
  return [...[...testsOf(condition)].map(({ path }) => path), ...paths].map(({ source }) => source);
}

function bodiesIn(source: Source): readonly Field[] {
  switch (source.kind) {
    case "field":
      return isBody(source.field) ? [source.field] : [];
    case "values":
      return isBody(source.root) ? [source.root] : [];
    case "extraction":
      if (!source.inBody) return [];
      return isBody(source.root) ? [source.root] : [Field.requestObject, Field.responseObject];
    default:
      return [];
  }
}

const isBody = (field: unknown): field is Field => field === Field.requestObject || field === Field.responseObject;
