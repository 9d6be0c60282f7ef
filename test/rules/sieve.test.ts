import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Sieve } from "../../src/rules/sieve.js";

const part = fc.constantFrom("ab", "aB", "b", "/", "c", '"', "&", "é", "\\", "\n", "{");
const text = (minLength: number) => fc.array(part, { minLength, maxLength: 9 }).map((parts) => parts.join(""));
const value = fc.array(fc.oneof(part, fc.constant("xyz")), { maxLength: 20 }).map((parts) => parts.join(""));

/** A JSON string of the text, with some characters as escapes that need none. */
function spell(value: string, odd: boolean[]): string {
  const written = [...value].map((character, i) =>
    odd[i % odd.length]
      ? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
      : JSON.stringify(character).slice(1, -1),
  );
  return `"${written.join("")}"`;
}

const isClear = (sieve: Sieve, json: string, behind = "") =>
  sieve.isClear(Buffer.from(json + behind), 0, Buffer.byteLength(json));
const sieveOf = (...texts: string[]) => new Sieve(texts.map((text) => Buffer.from(text)));

describe("the sieve", () => {
  it("never clears a string that contains a text, in any case and however it is escaped", () => {
    let cleared = 0;
    fc.assert(
      fc.property(
        fc.array(text(4), { minLength: 1, maxLength: 4 }),
        fc.array(fc.oneof(value, fc.tuple(value, fc.nat(3), value)), { minLength: 1, maxLength: 6 }),
        fc.array(fc.boolean(), { minLength: 1 }),
        (texts, values, odd) => {
          const sieve = sieveOf(...texts);
          for (const one of values) {
            const whole = typeof one === "string" ? one : one[0] + texts[one[1] % texts.length] + one[2];
            for (const json of [spell(whole, odd), JSON.stringify(whole), JSON.stringify(whole.toUpperCase())]) {
              if (!isClear(sieve, json)) continue;
              cleared++;
              const lower = whole.toLowerCase();
              for (const text of texts) expect(lower, JSON.stringify(texts)).not.toContain(text.toLowerCase());
            }
          }
        },
      ),
      { numRuns: 3000 },
    );
    expect(cleared).toBeGreaterThan(1000);
  });

  it("finds a text at every place, to the last, and looks at nothing behind the value", () => {
    for (const found of ["/exec", "/proxy/", "secret-12"]) {
      const sieve = sieveOf("/exec", "/proxy/", "secret-12");
      for (let before = 0; before < 9; before++) {
        for (let after = 0; after < 9; after++)
          expect(isClear(sieve, `"${".".repeat(before)}${found}${".".repeat(after)}"`)).toBe(false);
      }
      expect(isClear(sieve, '"/api/v1/pods"', found)).toBe(true);
      expect(isClear(sieve, '"/api/v1/pods/"', found.slice(1))).toBe(true);
    }
  });

  it("clears values whose escapes and letters are in no text", () => {
    const sieve = sieveOf("/proxy/", "secret");
    expect(isClear(sieve, '"/api/v1/pods?watch=true\\u0026limit=500"')).toBe(true);
    expect(isClear(sieve, '"/api/v1/pods?watch=true\\u0053limit=500"')).toBe(false);
    expect(isClear(sieve, '"/api/v1/pods?watch=true\\/limit=500"')).toBe(false);
    expect(isClear(sieve, '"/api/v1/pods?watch=true\\u00e9"')).toBe(false);
    expect(isClear(sieve, '"/api/v1/pods?watch=é"')).toBe(false);
    expect(isClear(sieve, '"/api/v1/pods?watch=\\x"')).toBe(false);
  });

  it("clears nothing if a text or the value is shorter than four bytes", () => {
    expect(isClear(sieveOf("abc", "secret"), '"/api/v1"')).toBe(false);
    expect(isClear(sieveOf("secret"), '"a"')).toBe(false);
  });

  it("clears everything plain if there is nothing to look for", () => {
    expect(isClear(sieveOf(), '"/api/v1"')).toBe(true);
  });
});
