import { describe, expect, it } from "vitest";
import { delay, duration, rate, size } from "../../src/plugin/units.js";

describe("a size, a duration or a rate", () => {
  it.each([
    [size(), "32MiB", 33_554_432],
    [size(), "20 MB", 20_000_000],
    [size(), "1.5kib", 1536],
    [size(), "7", 7],
    [size(), 7, 7],
    [duration(), "250ms", 250],
    [duration(), "1.5s", 1500],
    [duration(), "7d", 604_800_000],
    [duration(), "40", 40],
    [duration(), 40, 40],
    [duration(), "365d", 31_536_000_000],
    [delay(), "24d", 2_073_600_000],
    [delay(), 0, 0],
    [rate(), "20MB/s", 20_000_000],
  ])("%# is read from %j", (schema, text, value) => {
    expect(schema.parse(text)).toBe(value);
  });

  it.each([
    [size(), "32 apples"],
    [size(), -1],
    [size(), "1e9"],
    [duration(), "1 fortnight"],
    [duration(), ""],
    // Longer than Node's timers take.
    [delay(), "25d"],
    [delay(1), 0],
    [rate(), "20MB"],
    [rate(), 20],
  ])("%# is not read from %j", (schema, text) => {
    expect(schema.safeParse(text).success).toBe(false);
  });
});
