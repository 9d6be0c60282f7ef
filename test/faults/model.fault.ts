import { expect, it } from "vitest";
import { playSequences } from "./model.js";

const RUNS = Number(process.env.AUDITSHIP_MODEL_RUNS ?? 10_000);

it(`a log is read whole, once and in order, and what is gone is told, whatever happens (${RUNS} sequences)`, async () => {
  await expect(playSequences(RUNS, true)).resolves.toBeUndefined();
}, 3_600_000);
