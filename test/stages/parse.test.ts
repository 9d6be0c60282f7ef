import { describe, expect, it } from "vitest";
import parse from "../../plugins/stages/parse.js";
import type { Stage } from "../../src/plugin/index.js";
import { load, loadEvents, stageHost } from "./support.js";

const RECEIVED = "2026-11-21T06:00:00.000001Z";
const STAGE = "2026-11-21T08:00:01.250003+02:00";
const at = (text: string) => Date.parse(text);

async function parsed(batch: ReturnType<typeof load>) {
  await (parse.create({}, stageHost()) as Stage).run(batch);
  return batch;
}

describe("parse", () => {
  it("uses stageTimestamp as an event's time, and its distance from requestReceivedTimestamp as the latency", async () => {
    const batch = await parsed(loadEvents({ requestReceivedTimestamp: RECEIVED, stageTimestamp: STAGE }));
    expect(batch.time[0]).toBeCloseTo(at("2026-11-21T06:00:01.250Z") + 0.003, 3);
    expect(batch.latency[0]).toBe(1250.002);
  });
  it("falls back to requestReceivedTimestamp, then to v1beta1's timestamp", async () => {
    const batch = await parsed(
      loadEvents(
        { requestReceivedTimestamp: RECEIVED, timestamp: "2001-01-01T00:00:00Z" },
        { timestamp: "2001-01-01T00:00:00Z" },
        { stageTimestamp: "nonsense", requestReceivedTimestamp: RECEIVED },
        {},
      ),
    );
    expect(batch.time[0]).toBeCloseTo(at("2026-11-21T06:00:00Z") + 0.001, 3);
    expect(batch.time[1]).toBe(at("2001-01-01T00:00:00Z"));
    expect(batch.time[2]).toBe(batch.time[0]);
    expect(batch.time[3]).toBeNaN();
    expect([...batch.latency.subarray(0, 4)]).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
  });
  it("gives a negative latency if the clock went back", async () => {
    const batch = await parsed(
      loadEvents({ requestReceivedTimestamp: "2026-11-21T06:00:01Z", stageTimestamp: "2026-11-21T06:00:00.9995Z" }),
    );
    expect(batch.latency[0]).toBe(-0.5);
  });
  it("reads KubeSphere's own lines", async () => {
    const batch = await parsed(loadEvents({ StageTimestamp: STAGE, RequestReceivedTimestamp: RECEIVED, Verb: "get" }));
    expect(batch.latency[0]).toBe(1250.002);
  });
  it("leaves lines alone that are not events", async () => {
    const batch = await parsed(load(`not JSON\n{"stageTimestamp":"${STAGE}"}\n`));
    expect(batch.time[0]).toBeNaN();
    expect(batch.time[1]).not.toBeNaN();
  });
});
