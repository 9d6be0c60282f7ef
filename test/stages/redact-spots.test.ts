import { describe, expect, it } from "vitest";
import { hasPassword, passwords, spots } from "../../plugins/stages/redact/spots.js";

describe("the password of a URL is found", () => {
  it.each([
    ['{"a":"postgres://app:secret@db/x"}', true],
    ['{"a":"postgres://ap\\"p:secret@db/x"}', true],
    ['{"a":"postgres://app:sec\\"ret@db/x"}', true],
    ['{"a":"postgres://app@db/x"}', false],
    ['{"a":"http://host:80/x","b":"me@example.com"}', false],
    ['{"a":"http://host\\\\","b":"c:d@e"}', false],
  ])("%s: %s", (text, expected) => {
    expect(hasPassword(text)).toBe(expected);
  });
});

describe("spots", () => {
  it("name each string once, however many URLs it holds", () => {
    const text = '{"a":"x://u:p@h y://u:p@h","b":"z://u:p@h"}';
    expect(spots(text, [], passwords(text))).toEqual([
      { at: text.indexOf('"x'), kind: "text" },
      { at: text.indexOf('"z'), kind: "text" },
    ]);
  });
});
