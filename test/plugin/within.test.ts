import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { within } from "../../src/plugin/within.js";
import { timersLeftBy } from "../support/timers.js";

const never = new Promise(() => {});
const MINUTE = 60_000;

it("says whether work was done in time, whatever comes of it", async () => {
  expect(await within(MINUTE, Promise.resolve(false))).toBe(true);
  expect(await within(1, never)).toBe(false);
});

it("rejects as work does, unless it is too late", async () => {
  await expect(within(MINUTE, Promise.reject(new Error("no")))).rejects.toThrow("no");
  let fail = (_: Error) => {};
  const failing = new Promise((_, reject) => {
    fail = reject;
  });
  expect(await within(1, failing)).toBe(false);
  fail(new Error("nobody waits for it"));
});

it("leaves no timer behind", async () => {
  expect(await timersLeftBy(() => within(MINUTE, Promise.resolve()))).toBe(0);
  expect(await timersLeftBy(() => within(MINUTE, Promise.reject(new Error())).catch(() => {}))).toBe(0);
});

it("would be seen to leave one, by this test, as a race with a pause does", async () => {
  const pause = new AbortController();
  const paused = () => sleep(MINUTE, undefined, { ref: false, signal: pause.signal }).catch(() => {});
  expect(await timersLeftBy(() => Promise.race([paused(), Promise.resolve()]))).toBe(1);
  pause.abort();
});
