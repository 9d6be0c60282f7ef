import { expect, it } from "vitest";
import { LogUnderTest, playSequences } from "./model.js";

/** More of them: `npm run test:faults`. */
const RUNS = 200;

it(`a log is read whole, once and in order, and what is gone is told, whatever happens (${RUNS} sequences)`, async () => {
  await expect(playSequences(RUNS, false)).resolves.toBeUndefined();
}, 60_000);

/** Sequences that went wrong once. */
const FOUND: Record<string, (log: LogUnderTest) => Promise<void>> = {
  "a file whose predecessor was deleted is read while there is no active one": async (log) => {
    log.write(30, 2000);
    await log.loseState();
    log.rotate();
    log.write(1, 450);
    await log.deleteBackup(false);
    await log.rotateSlowly();
  },
  "a burst that overwrites itself is bounded, whatever the rate was before": async (log) => {
    for (let i = 0; i < 50; i++) log.write(1, 450);
    await log.read(1, 1 << 16);
    log.rotateAtOnce(30, 2500);
  },
  "what was truncated before anybody read it is told after a restart, too": async (log) => {
    log.write(1, 600);
    await log.truncate(false, true);
    log.write(1, 600);
    await log.save();
    await log.kill();
  },
};

it.each(Object.entries(FOUND))("%s", async (_, happen) => {
  const log = await LogUnderTest.make();
  try {
    await happen(log);
    await log.check();
  } finally {
    await log.close();
  }
});
