import { expect, test } from "vitest";
import { backoff } from "../../src/plugin/backoff.js";

const times = { initial: 500, max: 30_000 };

test("the bound of a backoff doubles with each attempt up to the longest", () => {
  const bounds = [0, 1, 2, 5, 6, 7, 1000].map((attempt) => backoff(attempt, times, () => 1));
  expect(bounds).toEqual([500, 1000, 2000, 16_000, 30_000, 30_000, 30_000]);
});

test("a backoff lies anywhere between nothing and its bound", () => {
  expect(backoff(2, times, () => 0)).toBe(0);
  expect(backoff(2, times, () => 0.25)).toBe(500);
});
