import { FIELD_PATHS, Field, fieldOfPath } from "../../../plugin/index.js";
import { nearest } from "../../../plugin/nearest.js";
import type { FieldSource, Path, Source, Step } from "../../tree.js";

/**
 * What KubeSphere's names mean: reference/kubesphere.md §1.3. Strings of the upstream struct are "" when unset; those of objectRef
 * only if the event has one.
 */
const UNSET_STRINGS = [Field.level, Field.auditID, Field.stage, Field.requestURI, Field.verb, Field.userAgent];
const OWN_STRINGS = [Field.devops, Field.cluster, Field.message];
const OBJECT_REF_STRINGS = FIELD_PATHS.flatMap((path, field) =>
  path.startsWith("objectRef.") ? [field as Field] : [],
);
const TIMES = [Field.requestReceivedTimestamp, Field.stageTimestamp];
/** Objects whose members are all in the field table: no other member has a name. */
const STRUCTS = [Field.user, Field.objectRef, Field.responseStatus, Field.impersonatedUser];
/** Fields that hold arrays. */
const ARRAYS = [Field.sourceIPs, Field.userGroups, Field.impersonatedUserGroups];

/** A path of more names than this is refused. */
const MAX_SEGMENTS = 64;

/** The name of a value that is no field of the table. */
const LATENCY = "latency";

/** Why a path is refused. */
export class PathError extends Error {}

interface Segment {
  name: string;
  items?: Extract<Step, { type: "items" }>;
}

/**
 * The path that a name stands for. Names of the envelope count in any case, names below it exactly; a name that no event has stands
 * for what a stage adds under it. Throws {@link PathError}.
 */
export function resolvePath(text: string): Path {
  const segments = splitPath(text);
  if (segments.length > MAX_SEGMENTS) throw new PathError(`more than ${MAX_SEGMENTS} names in one field`);
  const { source, used } = findSource(text, segments);
  return { text, source, steps: isComplete(source) ? [] : stepsOf(segments.slice(used), segments[used - 1].items) };
}

/** True for sources with nothing below them. */
function isComplete(source: Source): boolean {
  return source.kind !== "field";
}

function findSource(text: string, segments: readonly Segment[]): { source: Source; used: number } {
  const [first, second] = segments;
  const pair = second && !first.items ? fieldOfPath(`${first.name}.${second.name}`) : undefined;
  if (pair !== undefined) return { source: fieldSource(pair), used: 2 };
  const field = fieldOfPath(first.name);
  const isWhole = segments.length === 1 && !first.items;
  if (field === Field.workspace || field === Field.devops) {
    const name = field === Field.workspace ? "workspace" : "devops";
    return { source: isWhole ? { kind: "annotation", name, field } : { kind: "nothing" }, used: 1 };
  }
  if (field !== undefined && (isWhole || !STRUCTS.includes(field))) return { source: fieldSource(field), used: 1 };
  if (field !== undefined) return { source: { kind: "nothing" }, used: 1 };
  if (isWhole && first.name.toLowerCase() === LATENCY) return { source: { kind: "latency" }, used: 1 };
  return { source: { kind: "annotation", name: text }, used: 1 };
}

function fieldSource(field: Field): FieldSource {
  if (field === Field.verb) return { kind: "field", field, fold: "lower", unset: {} };
  if (UNSET_STRINGS.includes(field) || OWN_STRINGS.includes(field)) return { kind: "field", field, unset: {} };
  if (OBJECT_REF_STRINGS.includes(field)) return { kind: "field", field, unset: { within: Field.objectRef } };
  if (TIMES.includes(field)) return { kind: "field", field, fold: "utc" };
  if (field === Field.objectRef) return { kind: "field", field, struct: true };
  return { kind: "field", field };
}

function splitPath(text: string): Segment[] {
  return text.split(".").map((part) => {
    const bracket = /\[([^\]]*)\]$/.exec(part);
    return bracket ? { name: part.slice(0, bracket.index), items: range(bracket[1]) } : { name: part };
  });
}

/** What brackets contain: `*` means any item, `n` and `a:b` mean all of these. */
function range(text: string): Segment["items"] {
  if (text === "*") return { type: "items", from: 0, to: Number.MAX_SAFE_INTEGER, all: false };
  const [from, to] = text.split(":");
  if (to === undefined) return { type: "items", from: Number(from), to: Number(from) + 1, all: true };
  const start = Number(from);
  const end = to === "" ? Number.MAX_SAFE_INTEGER : Number(to);
  if (start > end) throw new PathError(`the range [${text}] ends before it starts`);
  return { type: "items", from: start, to: end, all: true };
}

/** Outside of arrays, neighbouring names are looked up together; inside, one by one. */
function stepsOf(segments: readonly Segment[], firstItems: Segment["items"]): Step[] {
  const steps: Step[] = firstItems ? [firstItems] : [];
  let names: string[] = [];
  for (const { name, items } of segments) {
    if (steps.some(({ type }) => type === "items")) steps.push({ type: "member", name });
    else names.push(name);
    if (items) {
      if (names.length > 0) steps.push({ type: "members", names });
      names = [];
      steps.push(items);
    }
  }
  if (names.length > 0) steps.push({ type: "members", names });
  return steps;
}

/** A warning about a name that no event has; undefined if the name is fine. */
export function unknownField(path: Path): string | undefined {
  const { source, text } = path;
  if (source.kind === "field" || source.kind === "latency") return undefined;
  if (source.kind === "annotation" && source.field !== undefined) return undefined;
  const [first, second] = text.split(".");
  const struct = fieldOfPath(first.replace(/\[.*/, ""));
  const name = struct === undefined || second === undefined ? first : `${first}.${second}`;
  const suggestion = nearest(name.replace(/\[.*/, ""), KNOWN_NAMES);
  if (suggestion) return `No event has the field ${text}; did you mean ${suggestion}?`;
  const siblings = struct === undefined ? [] : KNOWN_NAMES.filter((known) => known.startsWith(`${first}.`));
  return `No event has the field ${text}${siblings.length > 0 ? `, but ${siblings.join(", ")}.` : "."}`;
}

const KNOWN_NAMES = [...FIELD_PATHS.map(documentedName), "Latency"];

/** The name as KubeSphere's documentation writes it: `ObjectRef.APIGroup` for `objectRef.apiGroup`. */
function documentedName(path: string): string {
  const [first, ...rest] = path.split(".");
  const head = first === "kind" || first === "apiVersion" ? first : first[0].toUpperCase() + first.slice(1);
  const tail = first === "objectRef" ? rest.map((name) => name[0].toUpperCase() + name.slice(1)) : rest;
  return [head, ...tail]
    .join(".")
    .replace(/\.Api(?=[GV])/, ".API")
    .replace(/\.Uid$/, ".UID");
}

/** True if the path ends, without brackets, at an array of the envelope. */
export function isBareArray({ source, steps }: Path): boolean {
  return source.kind === "field" && steps.length === 0 && ARRAYS.includes(source.field);
}

/** True if the path leads into the request's or response's body. */
export function isInBody({ source }: Path): boolean {
  return source.kind === "field" && (source.field === Field.requestObject || source.field === Field.responseObject);
}
