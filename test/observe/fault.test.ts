import { describe, expect, it } from "vitest";
import { faultOf } from "../../src/observe/fault.js";
import { AuditshipError } from "../../src/plugin/index.js";

const thrown = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
};

/** Errors as engines and plugins make them of what they were given. */
const QUOTING: [name: string, make: () => unknown, told: RegExp][] = [
  ["what JSON.parse says of a text", () => thrown(() => JSON.parse('{"a":planted}')), /^SyntaxError at /],
  ["a message of several lines", () => new Error("no\n    at planted (planted:1:1)\nplanted"), /^Error at /],
  ["a message that was changed", () => Object.assign(new Error("a"), { message: "planted" }), /^Error( at |$)/],
  ["a name that was changed", () => Object.assign(new TypeError("x"), { name: "planted" }), /^TypeError at /],
  ["what else an error holds", () => Object.assign(new Error("x"), { body: "planted", code: "planted" }), /^Error at /],
  ["a cause", () => new Error("x", { cause: new Error("planted") }), /^Error at /],
  ["several errors", () => new AggregateError([new Error("planted")], "planted"), /^AggregateError at /],
  ["a text", () => "planted", /^something that is no error was thrown \(string\)$/],
  ["nothing", () => undefined, /^something that is no error was thrown \(undefined\)$/],
  ["no stack", () => Object.assign(new Error("planted"), { stack: undefined }), /^Error$/],
];

describe("what is told of an error", () => {
  it.each(QUOTING)("says what it is and where, not %s", (_, make, told) => {
    expect(faultOf(make())).toMatch(told);
    expect(faultOf(make())).not.toContain("planted");
  });

  it("names the places that it went through", () => {
    const deep = (): unknown => JSON.parse("planted");
    expect(faultOf(thrown(deep))).toMatch(
      /^SyntaxError at JSON\.parse \(<anonymous>\) < deep \(.*fault\.test\.ts:\d+:\d+\) < /,
    );
  });

  it("is what the system says, and what we say", () => {
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), {
      code: "ENOSPC",
      syscall: "write",
    });
    expect(faultOf(full)).toMatch(/^ENOSPC: no space left on device, write at /);
    expect(faultOf(new AuditshipError("AUDITSHIP_SINK_FAILED", "sink a: b"))).toBe("sink a: b (AUDITSHIP_SINK_FAILED)");
    const coded = Object.assign(new RangeError("planted"), { code: "ERR_OUT_OF_RANGE" });
    expect(faultOf(coded)).toMatch(/^RangeError ERR_OUT_OF_RANGE at /);
  });
});
