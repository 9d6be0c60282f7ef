import { describe, expect, it } from "vitest";
import { Search } from "../../plugins/stages/redact/search.js";
import { Passwords } from "../../plugins/stages/redact/spots.js";

describe("the password of a URL is found", () => {
  it.each([
    ['{"a":"postgres://app:secret@db/x"}', true],
    ['{"a":"postgres://ap\\"p:secret@db/x"}', true],
    ['{"a":"postgres://app:sec\\"ret@db/x"}', true],
    ['{"a":"postgres://app@db/x"}', true],
    ['{"a":"http://host:80/x","b":"me@example.com"}', false],
    ['{"a":"http://host\\\\","b":"c:d@e"}', false],
  ])("%s: %s", (text, expected) => {
    const bytes = Buffer.from(text);
    expect(new Passwords(bytes).isAt(bytes.indexOf("://"))).toBe(expected);
  });

  it("whatever string was looked at before", () => {
    const bytes = Buffer.from('{"a":"x://u:p@h","b":"y://h:1","c":"z://u:p@h"}');
    const passwords = new Passwords(bytes);
    const at = [..."xyz"].map((scheme) => bytes.indexOf(`${scheme}://`) + 1);
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
    ]) {
      for (const url of order) expect(passwords.isAt(at[url])).toBe(url !== 1);
    }
  });
});

describe("spots", () => {
  it("name each string once, however many URLs it holds", () => {
    const text = '{"a":"x://u:p@h y://u:p@h","b":"z://u:p@h"}';
    expect(new Search(false).trace(Buffer.from(text)).spots).toEqual([
      { at: text.indexOf('"x'), kind: "text" },
      { at: text.indexOf('"z'), kind: "text" },
    ]);
  });
});
