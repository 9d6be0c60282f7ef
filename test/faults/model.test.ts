import { expect, it } from "vitest";
import { playSequences } from "./model.js";

/** More of them: `npm run test:faults`. */
const RUNS = 200;

it(`a log is read whole, once and in order, and what is gone is told, whatever happens (${RUNS} sequences)`, async () => {
  await expect(playSequences(RUNS, false)).resolves.toBeUndefined();
}, 60_000);
