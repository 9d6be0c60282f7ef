import { describe, expect, it } from "vitest";
import { CatchUp } from "../../src/pipeline/catch-up.js";
import type { Lane } from "../../src/pipeline/lane.js";
import type { Position } from "../../src/plugin/index.js";
import { timersLeftBy } from "../support/timers.js";

const FILE = { fingerprint: "f", id: "f", ordinal: 0, time: 0 };
const at = (offset: number): Position => ({ file: FILE, offset });

/** A lane that stands at a place, and notes up to where it was to read. */
function standing(position: Position | undefined) {
  const limits: (Position | undefined)[] = [];
  const lane = {
    running: true,
    members: new Set([{ runner: { options: {} } }]),
    batch: { buffer: Buffer.alloc(100) },
    position: () => position,
    atEnd: () => false,
    rest: async () => {},
    step: async ({ limit }: { limit?: Position }) => {
      limits.push(limit);
      position = limit;
      return "batch";
    },
    meet: async () => ({ at: position, release() {} }),
  };
  return { lane: lane as unknown as Lane, limits };
}

async function meeting(catchingUp: Position | undefined, live: Position | undefined) {
  let joined = false;
  const result = await new CatchUp(standing(catchingUp).lane).meet(standing(live).lane, () => (joined = true));
  return { result, joined };
}

describe("a lane that catches up", () => {
  it("hands its sinks over where the live one is, after reading to there", async () => {
    expect(await meeting(at(50), at(50))).toEqual({ result: "joined", joined: true });
    expect(await meeting(at(10), at(50))).toEqual({ result: "joined", joined: true });
    expect(await meeting(undefined, undefined)).toEqual({ result: "joined", joined: true });
  });

  it("leaves no timer behind when it meets the live one", async () => {
    expect(await timersLeftBy(() => meeting(at(10), at(50)))).toBe(0);
  });

  it("hands nothing over to one that is behind it, whose next batch its sinks have: it takes its place", async () => {
    expect(await meeting(at(51), at(50))).toEqual({ result: "gone", joined: false });
    expect(await meeting(at(0), undefined)).toEqual({ result: "gone", joined: false });
  });

  it("reads nothing while the live one has not begun, since it could pass it", async () => {
    const { lane, limits } = standing(at(0));
    expect(await new CatchUp(lane).follow(standing(undefined).lane, false)).toBe(false);
    expect(limits).toEqual([]);
  });

  it("reads up to the live one otherwise", async () => {
    const { lane, limits } = standing(at(0));
    await new CatchUp(lane).follow(standing(at(500)).lane, false);
    expect(limits).toEqual([at(500)]);
  });
});
