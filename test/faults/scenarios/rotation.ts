import { setTimeout as sleep } from "node:timers/promises";
import type { Scenario } from "../scenario.js";

const MIB = 1024 * 1024;

/** Rotation while the agent looks on. */
export const rotation: Scenario[] = [
  {
    name: "1 steady load of 10,000 events/s",
    timeout: 900_000,
    async run(site) {
      const log = site.writer({ maxSize: 100 * MIB });
      await site.start();
      await log.writeAtRate(10_000 * Number(process.env.AUDITSHIP_STEADY_SECONDS ?? 20), 10_000, { bytes: 1300 });
    },
  },
  {
    name: "2 rotation every 10 MiB at 50 MB/s",
    async run(site) {
      const log = site.writer({ maxSize: 10 * MIB, maxBackups: 100 });
      await site.start();
      await log.writeAtRate(200_000, 50_000_000 / 1300, { bytes: 1300 });
    },
  },
  {
    name: "2 rotation every 2 ms",
    quick: true,
    async run(site) {
      const log = site.writer({ maxSize: 100_000 });
      await site.start();
      for (let i = 0; i < 300; i++) {
        log.write(20);
        log.rotate();
        await sleep(2);
      }
      log.write(5);
    },
  },
];
