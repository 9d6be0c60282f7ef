import { Kind, type Tape } from "../../../src/plugin/index.js";
import { type Replace, scrub } from "./text.js";

/** Members that are kept if they are strings: what the object is, and its name. */
const KEPT = ["kind", "apiVersion"];
const KEPT_METADATA = ["name", "generateName", "namespace", "uid"];

/**
 * Reduces a body to names and kinds, as JSON text: `kind`, `apiVersion` and the name of an object, and the same for the items of a
 * list and the object in a watch event. Anything else, such as a JSON patch, becomes an empty array or object.
 */
export function reduce(tape: Tape, root: number, replace: Replace): string {
  if (tape.kind(root) === Kind.array) return "[]";
  return tape.kind(root) === Kind.object ? reduceObject(tape, root, replace, true) : "{}";
}

function reduceObject(tape: Tape, node: number, replace: Replace, isRoot: boolean): string {
  const parts = pick(tape, node, KEPT, replace);
  const metadata = tape.kind(node) === Kind.object ? tape.member(node, "metadata") : -1;
  const names = metadata < 0 ? [] : pick(tape, metadata, KEPT_METADATA, replace);
  if (names.length > 0) parts.push(`"metadata":{${names.join()}}`);
  if (isRoot) {
    const items = tape.member(node, "items");
    if (items >= 0 && tape.kind(items) === Kind.array)
      parts.push(`"items":[${reduceItems(tape, items, replace).join()}]`);
    const object = tape.member(node, "object");
    if (object >= 0) parts.push(`"object":${reduceObject(tape, object, replace, false)}`);
  }
  return `{${parts.join()}}`;
}

function reduceItems(tape: Tape, items: number, replace: Replace): string[] {
  const reduced: string[] = [];
  for (let item = items + 1; item < tape.next(items); item = tape.next(item)) {
    reduced.push(reduceObject(tape, item, replace, false));
  }
  return reduced;
}

function pick(tape: Tape, node: number, names: readonly string[], replace: Replace): string[] {
  if (tape.kind(node) !== Kind.object) return [];
  return names.flatMap((name) => {
    const member = tape.member(node, name);
    if (member < 0 || tape.kind(member) !== Kind.string) return [];
    return `${JSON.stringify(name)}:${JSON.stringify(scrub(tape.text(member), replace))}`;
  });
}
