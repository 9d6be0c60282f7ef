import { describe, expect, it } from "vitest";
import { nearest } from "../../src/plugin/nearest.js";

describe("the nearest name", () => {
  it.each([
    ["slect", "select"],
    ["SELECT", "select"],
    ["seelct", "select"],
    ["maxbytes", "maxBytes"],
    ["kind", undefined],
    ["", undefined],
  ])("of %s is %s", (name, meant) => {
    expect(nearest(name, ["select", "maxBytes", "urls"])).toBe(meant);
  });
});

describe("of equally near names", () => {
  it("the one is meant that begins alike", () => {
    expect(nearest("verv", ["kerv", "verb"])).toBe("verb");
  });
});
