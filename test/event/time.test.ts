import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dayName, parseTime } from "../../src/plugin/index.js";

const parse = (text: string) => {
  const bytes = Buffer.from(`"${text}"`);
  return parseTime(bytes, 1, bytes.length - 1);
};

describe("RFC 3339 times", () => {
  it("are what Date.parse takes them for", () => {
    const zone = fc.constantFrom("Z", "+00:00", "-05:30", "+14:00", "-12:45");
    const time = fc.date({
      min: new Date("0000-01-02T00:00:00Z"),
      max: new Date("9999-12-30T00:00:00Z"),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(time, zone, (date, offset) => {
        const text = date.toISOString().replace("Z", offset);
        expect(parse(text)).toBeCloseTo(Date.parse(text), 3);
      }),
      { numRuns: 2000 },
    );
  });

  it("keep microseconds as thousandths of a millisecond", () => {
    const second = Date.UTC(2024, 1, 29, 23, 59, 59);
    expect(parse("2024-02-29T23:59:59Z")).toBe(second);
    expect(parse("2024-02-29T23:59:59.5Z")).toBe(second + 500);
    expect(parse("2024-02-29T23:59:59.123456Z") - second).toBeCloseTo(123.456, 3);
    expect(parse("2024-02-29T23:59:59.123456789+01:00") - second + 3_600_000).toBeCloseTo(123.457, 3);
  });

  it.each([
    "",
    "2024-05-01",
    "2024-05-01T02:03:04",
    "2024-05-01 02:03:04Z",
    "2024-05-01t02:03:04Z",
    "2024-05-01T02:03:04z",
    "2024-05-01T02:03:04.Z",
    "2024-05-01T02:03:04,5Z",
    "2024-05-01T02:03:60Z",
    "2024-05-01T24:00:00Z",
    "2024-05-01T02:60:04Z",
    "2024-00-01T02:03:04Z",
    "2024-13-01T02:03:04Z",
    "2024-05-00T02:03:04Z",
    "2024-04-31T02:03:04Z",
    "2023-02-29T02:03:04Z",
    "1900-02-29T02:03:04Z",
    "2024-05-01T02:03:04+0100",
    "2024-05-01T02:03:04+01:60",
    "2024-05-01T02:03:04+24:00",
    "2024-05-01T02:03:04Z ",
    "2024-05-01T02:03:04ZZ",
    "20240501T020304Z0000",
    "0000-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "２０２４-05-01T02:03:04Z",
  ])("are not %j", (text) => expect(parse(text)).toBeNaN());

  it("have a UTC day that names an index", () => {
    expect(dayName(parse("2024-05-01T02:03:04Z"))).toBe("2024.05.01");
    expect(dayName(parse("2024-05-01T02:03:04+05:00"))).toBe("2024.04.30");
  });
});
