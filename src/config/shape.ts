import type { z } from "zod";
import type { Path } from "./document.js";

/** What is under defaults, options and transforms: the type that a user writes. */
export function inner(schema: z.core.$ZodType): z.core.$ZodType {
  const def = schema._zod.def as { type: string; innerType?: z.core.$ZodType; in?: z.core.$ZodType };
  if (def.innerType) return inner(def.innerType);
  if (def.type === "pipe" && def.in) return inner(def.in);
  return schema;
}

/** The keys of an object, with their types; undefined for anything else. */
export function shapeOf(schema: z.core.$ZodType): Record<string, z.core.$ZodType> | undefined {
  const def = inner(schema)._zod.def as { type: string; shape?: Record<string, z.core.$ZodType> };
  return def.type === "object" ? def.shape : undefined;
}

/** The keys that may stand in the value at `path`. Of a union: those of all its objects. */
export function keysAt(schema: z.core.$ZodType, path: Path): string[] {
  const def = inner(schema)._zod.def as {
    type: string;
    element?: z.core.$ZodType;
    valueType?: z.core.$ZodType;
    options?: z.core.$ZodType[];
  };
  if (def.options) return def.options.flatMap((option) => keysAt(option, path));
  const shape = shapeOf(schema);
  if (path.length === 0) return Object.keys(shape ?? {});
  const next = shape?.[String(path[0])] ?? def.valueType ?? def.element;
  return next ? keysAt(next, path.slice(1)) : [];
}
