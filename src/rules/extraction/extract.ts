import type { EventView, Field } from "../../plugin/index.js";
import type { Extraction } from "../tree.js";
import { EVENT_PROPERTIES } from "./clock.js";
import type { Texts } from "./field.js";
import { EVENT_FIELDS } from "./fields.js";
import { getopt } from "./getopt.js";
import { EventJson, fieldJson, type Json, type TextOf } from "./json.js";

/** Reads an extraction from an event. */
export type Extractor = (event: EventView) => Texts;

/** Gives access to an event's JSON. */
export type RootOf = (event: EventView) => Json;

/** Prepares an extraction: the names in it are looked up once. */
export function extractor(extraction: Extraction, textOf: TextOf, rootOf: RootOf = eventJson(textOf)): Extractor {
  switch (extraction.type) {
    case "field": {
      const { name, argument, field } = extraction;
      if (field !== undefined) return wholeField(field, extraction.list === true, textOf);
      const property = EVENT_PROPERTIES.get(name);
      if (property) return (event) => property.read(event);
      const definition = EVENT_FIELDS.get(name);
      if (!definition) throw new Error(`There is no field ${name}.`);
      return (event) => definition.read(rootOf(event), argument);
    }
    case "text":
      return () => [extraction.text];
    case "list": {
      const parts = extraction.parts.map((part) => extractor(part, textOf, rootOf));
      return (event) => collect(parts, event);
    }
    case "transform": {
      const parts = extraction.parts.map((part) => extractor(part, textOf, rootOf));
      const transform = transformer(extraction);
      return (event) => {
        const inputs: (readonly string[])[] = [];
        for (const part of parts) {
          const input = part(event);
          if (input === undefined) return undefined;
          inputs.push(input);
        }
        return transform(inputs);
      };
    }
  }
}

/** Reads exactly the value of a field of the table. */
function wholeField(field: Field, isList: boolean, textOf: TextOf): Extractor {
  return (event) => {
    const found = fieldJson(event, field, textOf);
    if (found === undefined) return undefined;
    if (!isList) return [found.text()];
    const texts = found.items().map((item) => item.text());
    return texts.length === 0 ? undefined : texts;
  };
}

function eventJson(textOf: TextOf): RootOf {
  return (event) => new EventJson(event, textOf);
}

/** Absent if any of the parts is. */
function collect(parts: readonly Extractor[], event: EventView): Texts {
  const texts: string[] = [];
  for (const part of parts) {
    const found = part(event);
    if (found === undefined) return undefined;
    texts.push(...found);
  }
  return texts;
}

type Transform = (inputs: readonly (readonly string[])[]) => Texts;

/**
 * The transformers of `sinsp_filter_transformers` and `sinsp_filtercheck_multivalue_transformer.cpp`. As in upstream, a text
 * changed by a transformer ends in a NUL from then on, which matters where texts are compared by length (`text-set` tests).
 */
function transformer({ name, argument }: Extract<Extraction, { type: "transform" }>): Transform {
  switch (name) {
    case "tolower":
      return eachText((text) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()));
    case "toupper":
      return eachText((text) => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase()));
    case "basename":
      return eachText((text) => text.slice(text.lastIndexOf("/") + 1));
    case "b64":
      return eachText(decodeBase64);
    case "len":
      return ([texts]) => [String(Buffer.byteLength(untilNul(texts[0] ?? "")))];
    case "count":
      return ([texts]) => [String(texts.length)];
    case "join":
      return ([[separator = ""], texts]) => [texts.map(untilNul).join(separator)];
    case "concat":
      return (inputs) =>
        inputs.some(({ length }) => length === 0) ? undefined : [inputs.map(([text]) => untilNul(text)).join("")];
    case "getopt":
      return ([words, [options = ""]]) => getopt(words, options, argument);
  }
}

function eachText(change: (text: string) => string | undefined): Transform {
  return ([texts]) => {
    const changed: string[] = [];
    for (const text of texts) {
      const result = change(withoutNuls(text));
      if (result === undefined) return undefined;
      changed.push(result.endsWith("\0") ? result : `${result}\0`);
    }
    return changed;
  };
}

/** Decodes with or without padding; undefined if the text is not Base64 or has bits left over. */
function decodeBase64(text: string): string | undefined {
  const content = text.replace(/==?$/, "");
  if (content === "") return text === "" ? "" : undefined;
  const bytes = Buffer.from(content, "base64");
  return bytes.toString("base64").replace(/=+$/, "") === content ? bytes.toString() : undefined;
}

/** The text as C reads it. */
export function untilNul(text: string): string {
  const nul = text.indexOf("\0");
  return nul < 0 ? text : text.slice(0, nul);
}

/** The text without the NULs at its end. */
export function withoutNuls(text: string): string {
  let end = text.length;
  while (text.charCodeAt(end - 1) === 0) end--;
  return end === text.length ? text : text.slice(0, end);
}
