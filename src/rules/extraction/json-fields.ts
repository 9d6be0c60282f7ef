import { type FieldDefinition, one, type Texts } from "./field.js";
import { type Json, MAX_LEVELS, valueAt } from "./json.js";

/** Splits a JSON pointer (RFC 6901), except that an index may have leading zeros and the first slash may be left out. */
export function pointerPath(pointer: string): string[] {
  const path = pointer.startsWith("/") ? pointer.slice(1) : pointer;
  return path.split("/").map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function readPointer(event: Json, pointer = ""): Texts {
  return one(pointer === "" ? event : valueAt(event, pointerPath(pointer)));
}

/** The fields of the plugin json 0.7.4 except the time, under both of their names. */
export const JSON_FIELDS: readonly FieldDefinition[] = ["json", "jevt"].flatMap((prefix): FieldDefinition[] => [
  { name: `${prefix}.value`, argument: "key", argumentRequired: true, read: readPointer },
  { name: `${prefix}.obj`, read: (event) => [indented(event.text())] },
]);

/** Like Go's `json.Indent` with two spaces. */
function indented(json: string): string {
  const lines: string[] = [];
  let line = "";
  let depth = 0;
  const breakLine = (): void => {
    lines.push(line);
    line = "  ".repeat(Math.min(depth, MAX_LEVELS));
  };
  for (let at = 0; at < json.length; at++) {
    const char = json[at];
    if (char === '"') {
      const start = at++;
      while (json[at] !== '"') at += json[at] === "\\" ? 2 : 1;
      line += json.slice(start, at + 1);
    } else if (char === "{" || char === "[") {
      line += char;
      if (json[at + 1] === "}" || json[at + 1] === "]") line += json[++at];
      else {
        depth++;
        breakLine();
      }
    } else if (char === "}" || char === "]") {
      depth--;
      breakLine();
      line += char;
    } else if (char === ",") {
      line += char;
      breakLine();
    } else line += char === ":" ? ": " : char;
  }
  return [...lines, line].join("\n");
}
