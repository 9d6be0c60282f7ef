import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Scenario } from "../scenario.js";

const MIB = 1024 * 1024;
const HOUR = 3_600_000;

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
      const log = site.writer();
      await site.start();
      for (let i = 0; i < 300; i++) {
        log.write(20);
        log.rotate();
        await sleep(2);
      }
      log.write(5);
    },
  },
  {
    name: "2 several rotations between two looks",
    async run(site) {
      const log = site.writer();
      await site.start();
      for (let i = 0; i < 20; i++) {
        for (let j = 0; j <= i % 7; j++) {
          log.write(10);
          log.rotate();
        }
        log.write(3);
        await site.settled();
      }
    },
  },
  {
    name: "2 rotation stopped between its system calls",
    async run(site) {
      const log = site.writer();
      log.write(50);
      await site.start();
      for (let i = 0; i < 5; i++) {
        // There is no active file between the rename and the creation.
        await log.rotateSlowly(() => site.settled().then(() => sleep(120)));
        log.write(50);
      }
    },
  },
  {
    name: "3 the same with compression",
    async run(site) {
      const log = site.writer({ maxSize: 10 * MIB, maxBackups: 100 });
      let mill: Promise<void> = Promise.resolve();
      log.onRotated = (file) => {
        mill = mill.then(() => log.compressBeside(file));
      };
      await site.start();
      await log.writeAtRate(200_000, 50_000_000 / 1300, { bytes: 1300 });
      await mill;
    },
  },
  {
    name: "3 rotation every 20 ms, maxbackup 1, compressed at once",
    async run(site) {
      const log = site.writer({ maxBackups: 1, compress: true });
      await site.start();
      for (let i = 0; i < 50; i++) {
        log.write(20);
        // What is not read by now would be gone after the next rotation.
        if (i % 2 === 1) await site.settled();
        log.rotate();
        log.mill();
        await sleep(20);
      }
      await site.settled();
      return { maybe: ["unseen"] };
    },
  },
  {
    name: "9 two rotations in one millisecond: the backup that nobody had read is overwritten",
    async run(site) {
      const log = site.writer();
      site.configure({ sink: { request: { maxEvents: 10 } } });
      await site.start();
      log.write();
      await site.settled();
      log.frozen = Date.now();
      site.receiver.refuse();
      log.write(100);
      await site.parked();
      const first = log.rotateAtOnce();
      log.write(50);
      await site.metric("auditship_rotations_total", {}, 1);
      log.rotateAtOnce();
      log.frozen = undefined;
      log.write(30);
      const overwritten = site.ledger.lose([first]);
      await site.metric("auditship_rotations_total", {}, 2);
      site.receiver.accept();
      await site.settled();
      return { gone: { overwritten } };
    },
  },
  {
    name: "9 two rotations in one millisecond while the agent is down",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(100);
      await site.settled();
      await site.stop();
      log.frozen = Date.now();
      log.rotateAtOnce();
      log.write(50);
      log.rotateAtOnce();
      log.write(40);
      log.frozen = undefined;
      // The first backup was read to its end as far as the agent knows; what it does not know is if it had grown.
      await site.start();
      await site.settled();
      return { gone: { unseen: 0 } };
    },
  },
  {
    name: "14 the active file is unlinked, and written on",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(100);
      await site.settled();
      fs.unlinkSync(log.path);
      for (let i = 0; i < 5; i++) {
        log.write(50);
        await site.settled();
      }
      await site.metric("auditship_source_errors_total", { kind: "unlinked" });
      log.restart();
      log.write(100);
      await site.settled();
    },
  },
  ...[-HOUR, HOUR].flatMap((step): Scenario[] => [
    {
      name: `15 clock step of ${step / HOUR} h across a rotation`,
      async run(site) {
        const log = site.writer();
        await site.start();
        for (let i = 0; i < 4; i++) {
          log.write(60);
          log.rotate();
          log.write(20);
          if (i === 1) log.clockAhead = step;
          log.write(20);
          await site.settled();
        }
        log.rotate();
        log.write(20);
      },
    },
    {
      name: `15 clock step of ${step / HOUR} h across rotations while the agent is down`,
      async run(site) {
        const log = site.writer();
        await site.start();
        log.write(60);
        log.rotate();
        log.write(60);
        await site.settled();
        await site.kill();
        log.write(10);
        log.rotate();
        log.clockAhead = step;
        for (let i = 0; i < 3; i++) {
          log.write(40);
          log.rotate();
        }
        log.write(5);
        await site.start();
      },
    },
  ]),
];
