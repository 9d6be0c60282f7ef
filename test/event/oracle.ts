import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { type EventView, FIELD_PATHS, Kind } from "../../src/plugin/index.js";

type Json = unknown;

const GO_NAMES: Record<string, string> = { uid: "UID", apiGroup: "APIGroup", apiVersion: "APIVersion" };
const goName = (name: string) => GO_NAMES[name] ?? name[0].toUpperCase() + name.slice(1);

/** Own members only, as JSON.parse made them: the camelCase name, else Go's. */
function member(object: Json, name: string, twoSpellings: boolean): Json {
  if (typeof object !== "object" || object === null || Array.isArray(object)) return undefined;
  for (const key of twoSpellings ? [name, goName(name)] : [name]) {
    if (Object.hasOwn(object, key)) return (object as Record<string, Json>)[key];
  }
  return undefined;
}

/** The value of a field of a parsed event, or undefined. */
export function fieldOf(event: Json, path: string): Json {
  const [head, tail] = path.split(".");
  const one = ["kind", "apiVersion", "Workspace", "Devops", "Cluster", "Message"].includes(path);
  const value = member(event, head, !one);
  return tail === undefined ? value : member(value, tail, true);
}

/** The first field of which a view says something else than JSON.parse of its line. */
export function wrongField(view: EventView, event: Json): string | undefined {
  for (const [field, path] of FIELD_PATHS.entries()) {
    const expected = fieldOf(event, path);
    const text = view.text(field);
    const right =
      view.kind(field) === kindOf(expected) &&
      (expected === undefined
        ? text === undefined && view.start(field) === 0 && view.end(field) === 0
        : isDeepStrictEqual(typeof expected === "string" ? text : JSON.parse(text!), expected));
    if (!right) return `${path}: ${text} and not ${JSON.stringify(expected)}`;
  }
  return undefined;
}

function kindOf(value: Json): Kind {
  if (value === undefined) return Kind.absent;
  if (value === null) return Kind.null;
  if (Array.isArray(value)) return Kind.array;
  if (typeof value === "string") return Kind.string;
  if (typeof value === "boolean") return value ? Kind.true : Kind.false;
  return typeof value === "number" ? Kind.number : Kind.object;
}

/** The items of a parsed EventList, or undefined for another object. */
export function itemsOf(event: Json): Json[] | undefined {
  const items = member(event, "items", true);
  const kind = member(event, "kind", false);
  return Array.isArray(items) && (kind === undefined || kind === "EventList") ? items : undefined;
}

/** The lines's text without what is not part of it. */
const strip = (line: string) => line.replace(/^\0*\ufeff?/, "");

export function parse(line: string): { value: Json } | undefined {
  try {
    return { value: JSON.parse(strip(line)) };
  } catch {
    return undefined;
  }
}

const space = fc.constantFrom("", "", "", "", " ", "\t", " \r ");

const character = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(..."abcXYZ019 {}[]:,'.-/") },
  fc.constantFrom("é", "世", "😀", "\u2028", "\u007f"),
  fc.constantFrom("\\n", '\\"', "\\\\", "\\/", "\\u0041", "\\u003c", "\\u0000", "\\ud83d\\ude00", "\\ud800", "\\udC00"),
  fc.constantFrom('\\",\\"verb\\":\\"', "},{", '\\"items\\":[{}]', "\\u0022"),
);

const string = fc.array(character, { maxLength: 8 }).map((parts) => `"${parts.join("")}"`);

const number = fc.constantFrom(
  "0",
  "-0",
  "1",
  "-1.5",
  "200",
  "9007199254740993",
  "1e400",
  "1E-7",
  "0.1e+2",
  "12345678901",
);

const { value } = fc.letrec<{ value: string; array: string; object: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.oneof(string, number, fc.constantFrom("null", "true", "false")),
    tie("array"),
    tie("object"),
  ),
  array: fc
    .array(fc.tuple(space, tie("value"), space), { maxLength: 3 })
    .map((items) => `[${items.map((parts) => parts.join("")).join(",")}]`),
  object: members(fc.tuple(string, tie("value")), 3),
}));

/** An object's text from its members' keys and values, as texts. */
function members(member: fc.Arbitrary<[string, string]>, maxLength: number): fc.Arbitrary<string> {
  const padded = fc.tuple(space, member, space, space, space);
  return fc
    .tuple(space, fc.array(padded, { maxLength }))
    .map(([inner, list]) =>
      list.length === 0
        ? `{${inner}}`
        : `{${list.map(([a, [k, v], b, c, d]) => `${a}${k}${b}:${c}${v}${d}`).join(",")}}`,
    );
}

/** A key, sometimes with one of its letters escaped. */
const spelt = (names: readonly string[]) =>
  fc.tuple(fc.constantFrom(...names), fc.option(fc.nat(), { freq: 4 })).map(([name, at]) => {
    if (at === null) return `"${name}"`;
    const index = at % name.length;
    return `"${name.slice(0, index)}\\u${name.charCodeAt(index).toString(16).padStart(4, "0")}${name.slice(index + 1)}"`;
  });

const twice = (names: string[]) => [...names, ...names.map(goName)];

const heads = twice(FIELD_PATHS.filter((path) => !path.includes(".")));
const others = [
  "items",
  "Items",
  "@timestamp",
  "auditship",
  "__proto__",
  "constructor",
  "verbs",
  "ver",
  "VERB",
  "uid",
  "",
];
const tails = twice(FIELD_PATHS.filter((path) => path.includes(".")).map((path) => path.split(".")[1]));

const kind = fc.constantFrom('"Event"', '"EventList"', '"Event\\u004cist"', "null");
const nestedObject = members(fc.tuple(fc.oneof(spelt([...tails, "verb", "user"]), string), value), 8);

const eventMember = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(spelt(heads), value) },
  {
    weight: 5,
    arbitrary: fc.tuple(
      spelt(["user", "User", "impersonatedUser", "ImpersonatedUser", "objectRef", "ObjectRef", "responseStatus"]),
      fc.oneof({ weight: 5, arbitrary: nestedObject }, { weight: 1, arbitrary: value }),
    ),
  },
  { weight: 1, arbitrary: fc.tuple(spelt(["kind"]), kind) },
  { weight: 1, arbitrary: fc.tuple(spelt(others.filter((name) => name !== "")), value) },
  { weight: 1, arbitrary: fc.tuple(string, value) },
);

/** The text of an object with known and unknown keys in any order, spelling, number and type. */
export const eventText = members(eventMember, 14);

/** Any JSON text. */
export const jsonText = value;

/** Tokens of JSON in no particular order, brackets most of all. */
export const tokens = fc
  .array(
    fc.constantFrom("[", "]", "{", "}", "[1", "2]", '{"a":', '"b":[', "}", "]", ",", ":", '"c"', "0", "null", " "),
    {
      maxLength: 7,
    },
  )
  .map((list) => list.join(""));

/** A line with a few bytes changed, taken out or put in. */
export const mutated = (line: fc.Arbitrary<string>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(
      line,
      fc.array(
        fc.tuple(
          fc.nat(),
          fc.constantFrom("set", "remove", "insert"),
          fc.oneof(
            fc.constantFrom(...Buffer.from('"\\{}[],:0123456789eE+-.tfnu \t\r\0')),
            fc.integer({ min: 0, max: 255 }).filter((byte) => byte !== 10),
          ),
        ),
        { minLength: 1, maxLength: 3 },
      ),
    )
    .map(([text, changes]) => {
      let bytes = Buffer.from(text);
      for (const [place, how, byte] of changes) {
        const at = place % (bytes.length + 1);
        const after = how === "insert" ? at : at + 1;
        const between = how === "remove" ? [] : [byte];
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(between), bytes.subarray(after)]);
      }
      return bytes;
    });
