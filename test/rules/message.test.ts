import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteWriter, type EventView, Field, MessageTemplate, type ShownField } from "../../src/plugin/index.js";
import { render } from "../../src/rules/render.js";
import type { FieldSource } from "../../src/rules/tree.js";
import { eventText } from "../event/oracle.js";
import { load } from "../event/support.js";

const FIELDS = [
  Field.userUsername,
  Field.verb,
  Field.sourceIPs,
  Field.responseStatusCode,
  Field.objectRefName,
  Field.annotations,
  Field.userGroups,
];
const TEXT = 'says "hi"\n to \u2028';
const PARTS = FIELDS.flatMap((field) => [{ field, lower: field === Field.verb }, TEXT]);
const template = new MessageTemplate(PARTS);

function copied(event: EventView): string | undefined {
  const out = new ByteWriter(4);
  out.byte(0x78);
  if (template.write(event, out)) return JSON.parse(Buffer.from(out.view().subarray(1)).toString());
  expect(out.length).toBe(1);
  return undefined;
}

const sourceOf = ({ field, lower }: ShownField): FieldSource =>
  lower ? { kind: "field", field, fold: "lower" } : { kind: "field", field };

const rendered = (event: EventView): string =>
  PARTS.map((part) =>
    typeof part === "string" ? part : render({ text: "", source: sourceOf(part), steps: [] }, event),
  ).join("");

describe("a message copied from an event's bytes", () => {
  it("equals the rendered message", () => {
    let copies = 0;
    fc.assert(
      fc.property(eventText, (text) => {
        const event = load(text).at(0);
        const message = copied(event);
        if (message === undefined) return;
        copies++;
        expect(message).toBe(rendered(event));
      }),
      { numRuns: 2000 },
    );
    expect(copies).toBeGreaterThan(100);
  });

  it.each([
    ['{"verb":"get","user":{"username":"a\\u003cb"},"sourceIPs":["::1"],"responseStatus":{"code":403}}', true],
    ['{"verb":"Get"}', false],
    ['{"verb":null,"sourceIPs":[""]}', true],
    ['{"sourceIPs":["::1","::2"]}', true],
    ['{"sourceIPs":["ü"]}', true],
    ['{"sourceIPs":["a","ü"]}', false],
    ['{"sourceIPs":["a","b\\n"]}', false],
    ['{"sourceIPs":["a", "b"]}', false],
    ['{"sourceIPs":["a",1]}', false],
    ['{"sourceIPs":["a",["b"]]}', false],
    ['{"sourceIPs":["a\\"b"]}', false],
    ['{"sourceIPs":[]}', false],
    ['{"annotations":{}}', false],
  ])("of %s: %s", (line, expected) => {
    const event = load(line).at(0);
    const message = copied(event);
    expect(message !== undefined).toBe(expected);
    if (expected) expect(message).toBe(rendered(event));
  });

  it("equals the rendered message after edits too, and shows nothing redacted", () => {
    const places = [...FIELDS, Field.requestURI, Field.requestObject, Field.responseObject];
    const edits = fc.array(fc.tuple(fc.constantFrom(...places), fc.boolean()), { minLength: 1, maxLength: 3 });
    let copies = 0;
    let refusals = 0;
    fc.assert(
      fc.property(eventText, edits, (text, chosen) => {
        const batch = load(text);
        const event = batch.at(0);
        const spans = chosen
          .filter(([field]) => event.start(field) !== 0)
          .map(([field, inside]) => {
            const isString = batch.bytes[event.start(field)] === 0x22;
            return inside && isString
              ? ([event.start(field) + 1, event.end(field) - 1, "redacted"] as const)
              : ([event.start(field), event.end(field), '"redacted"'] as const);
          })
          .sort(([a], [b]) => a - b);
        let end = 0;
        for (const [from, to, replacement] of spans) {
          if (from < end) continue;
          batch.edit(0, from, to, Buffer.from(replacement));
          end = to;
        }
        const message = copied(batch.at(0));
        if (message === undefined) refusals++;
        else {
          if (end > 0) copies++;
          expect(message).toBe(rendered(batch.at(0)));
        }
      }),
      { numRuns: 2000 },
    );
    expect(copies).toBeGreaterThan(20);
    expect(refusals).toBeGreaterThan(100);
  });

  it("shows a value next to a redacted one, but not the redacted one", () => {
    const line = '{"verb":"get","user":{"username":"eve"},"requestURI":"/secret"}';
    const batch = load(line);
    batch.edit(0, line.indexOf('"/'), line.length - 1, Buffer.from('"/-"'));
    expect(copied(batch.at(0))).toMatch(/^eve.*get/s);
    const other = load(line);
    other.edit(0, line.indexOf('"eve"'), line.indexOf('"eve"') + 5, Buffer.from('"-"'));
    expect(copied(other.at(0))).toBeUndefined();
  });
});
