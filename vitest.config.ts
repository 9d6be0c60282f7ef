import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Most tests wait for files and processes: one worker for each core, not one less.
    maxWorkers: "100%",
    // For .ci/run, which sums up several runs.
    reporters: process.env.AUDITSHIP_TEST_TOTALS ? ["default", "./test/support/totals.ts"] : ["default"],
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**"],
          // A busy machine takes its time: a program that starts in half a second needs ten there.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 45_000 } },
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "faults",
          include: ["test/faults/**/*.fault.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
