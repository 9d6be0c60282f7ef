import { FIELD_PATHS, Field } from "../../plugin/index.js";
import type { FieldDefinition } from "./field.js";
import { JSON_FIELDS, pointerPath } from "./json-fields.js";
import { KUBERNETES_FIELDS } from "./kubernetes-fields.js";

/** Fields that are read from the event's JSON, by name. */
export const EVENT_FIELDS: ReadonlyMap<string, FieldDefinition> = new Map(
  [...KUBERNETES_FIELDS, ...JSON_FIELDS].map((field) => [field.name, field]),
);

/** The path of a field's value, if the field is exactly that value. */
export function pathOf({ name, path }: FieldDefinition, argument: string | undefined): readonly string[] | undefined {
  return name.endsWith(".value") ? pointerPath(argument ?? "") : path;
}

/** The field of the table without which there is nothing at a path. */
export function rootOf(path: readonly string[]): Field | undefined {
  return tableField(path) ?? tableField(path.slice(0, 1));
}

/** The field of the table whose value is exactly the one at a path. */
export function tableField(path: readonly string[]): Field | undefined {
  const field = FIELD_PATHS.indexOf(path.join("."));
  const isOne = field >= 0 && field < Field.workspace && path.every((name) => !name.includes("."));
  return isOne ? field : undefined;
}
