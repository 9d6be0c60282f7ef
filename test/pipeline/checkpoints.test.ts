import { expect, it } from "vitest";
import type { Runner } from "../../src/delivery/runner.js";
import { createLog } from "../../src/observe/log.js";
import { Checkpoints } from "../../src/pipeline/checkpoints.js";
import type { Feed } from "../../src/pipeline/feed.js";
import type { SinkRecord, StateStore } from "../../src/pipeline/state.js";

/** A source on which one sink has a cursor. */
class FakeFeed {
  at = 0;
  released = 0;
  #oldest = 0;

  constructor(readonly name: string) {}

  state() {
    this.#oldest = this.at;
    return { table: {} };
  }

  cursor() {
    return { file: "f", offset: this.at };
  }

  written() {
    this.released = this.#oldest;
  }
}

it("A source gives up nothing behind the cursor on disk of a sink that moves on while another source is written", async () => {
  const [first, second] = [new FakeFeed("first"), new FakeFeed("second")];
  const feeds = [first, second] as unknown as Feed[];
  const stored = new Map<string, SinkRecord>();
  const sink = (name: string) =>
    ({
      name,
      snapshot: async (cursors: () => SinkRecord["cursors"]) => ({ cursors: cursors(), flush: async () => {} }),
    }) as unknown as Runner;
  const [archive, alerts] = [sink("archive"), sink("alerts")];
  let moving = false;
  const store = {
    async writeSource(name: string) {
      if (name !== "first" || !moving) return;
      second.at = 2;
      checkpoints.touch(archive);
    },
    async writeSink(name: string, record: SinkRecord) {
      stored.set(name, record);
    },
  };
  const log = createLog({ level: "silent" });
  const checkpoints = new Checkpoints(store as unknown as StateStore, () => feeds, log);
  for (const runner of [archive, alerts]) checkpoints.touch(runner);
  await checkpoints.flush();
  moving = true;
  first.at = 1;
  checkpoints.touch(alerts);
  await checkpoints.flush();
  expect(second.released).toBeLessThanOrEqual(stored.get("archive")!.cursors.second.offset);
  moving = false;
  await checkpoints.flush();
  checkpoints.stop();
  expect([second.released, stored.get("archive")!.cursors.second.offset]).toEqual([2, 2]);
});
