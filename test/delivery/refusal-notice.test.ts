import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { RefusalNotice } from "../../src/delivery/refusal-notice.js";
import { quietHost } from "../support/far-end.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

it("tells of the first refused event at once, of the others every ten seconds at most, and of all of them by the end", () => {
  const host = quietHost("archive");
  const told: object[] = [];
  const notice = new RefusalNotice({ ...host, log: { ...host.log, warn: (fields) => void told.push(fields) } });
  const said = () => told.splice(0);
  notice.note(1, "first");
  expect(said()).toEqual([{ sink: "archive", events: 1, reason: "first" }]);
  for (let i = 0; i < 500; i++) notice.note(2, "later");
  vi.advanceTimersByTime(9_999);
  expect(said()).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(said()).toEqual([{ sink: "archive", events: 1000, reason: "later" }]);
  vi.advanceTimersByTime(60_000);
  expect(said()).toEqual([]);
  notice.note(3, "again");
  notice.note(4, "last");
  notice.close();
  expect(said().map((fields) => (fields as { events: number }).events)).toEqual([3, 4]);
  expect(vi.getTimerCount()).toBe(0);
});
