import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { WrittenFile } from "../ledger.js";
import type { Scenario } from "../scenario.js";
import type { Site } from "../site.js";
import type { AuditWriter } from "../writer.js";

/** One request at a time, in order: what has arrived is what the cursor says. */
const IN_ORDER = { concurrency: 1, request: { maxEvents: 20, maxWait: "20ms" } };

/** Stores so many events, then refuses; resolves when the agent has stopped with its cursor there. */
async function stopBehind(site: Site, events: number): Promise<void> {
  site.receiver.script = ({ items }) =>
    site.receiver.documents + items.length <= events ? { do: "store" } : { do: "status", status: 503 };
  await site.stored(events);
  site.receiver.refuse();
  await site.parked();
}

/** The agent is down, or behind, while rotation goes on. */
export const downtime: Scenario[] = [
  ...[1, 2, 7].flatMap((rotations) =>
    ["plain", "gzip"].map(
      (kind): Scenario => ({
        name: `5 down over ${rotations} rotation${rotations > 1 ? "s" : ""}, ${kind}, from within a file`,
        ...(rotations === 2 && kind === "gzip" && { quick: true }),
        async run(site) {
          const log = site.writer({ compress: kind === "gzip" });
          log.write(1000);
          site.receiver.script = () => (site.receiver.documents >= 400 ? { do: "never" } : { do: "store" });
          await site.start();
          await site.stored(400);
          await site.kill();
          for (let i = 0; i < rotations; i++) {
            log.write(300);
            log.rotate();
          }
          log.write(300);
          log.mill();
          site.receiver.accept();
          await site.start();
        },
      }),
    ),
  ),
  {
    name: "6 down longer than maxbackup: what was deleted is bounded",
    async run(site) {
      const log = site.writer({ maxBackups: 3 });
      await site.start();
      log.write(200);
      await site.settled();
      await site.stop();
      log.write(100);
      for (let i = 0; i < 6; i++) {
        log.rotate();
        log.write(100);
      }
      const unseen = site.ledger.lose(log.mill());
      await site.start();
      await site.settled();
      return { gone: { unseen } };
    },
  },
  {
    name: "6 the same, of files whose size was seen: counted to the byte",
    quick: true,
    async run(site) {
      const log = site.writer({ maxBackups: 2 });
      site.configure({ sink: IN_ORDER });
      await site.start();
      log.write(400);
      await stopBehind(site, 200);
      for (let i = 0; i < 4; i++) {
        log.rotate();
        log.write(100);
      }
      await site.metric("auditship_rotations_total", {}, 4);
      await site.stop();
      const deleted = site.ledger.lose(log.mill());
      site.receiver.accept();
      await site.start();
      await site.settled();
      return { gone: { deleted } };
    },
  },
  {
    name: "6 the same, killed",
    async run(site) {
      const log = site.writer({ maxBackups: 1 });
      site.configure({ sink: IN_ORDER });
      await site.start();
      log.write(400);
      await stopBehind(site, 200);
      log.rotate();
      log.write(100);
      await site.metric("auditship_rotations_total", {}, 1);
      await remembered(site, log.backups[0].backup);
      await site.kill();
      log.rotate();
      log.write(50);
      const deleted = site.ledger.lose(log.mill());
      site.receiver.accept();
      await site.start();
      await site.settled();
      return { gone: { deleted } };
    },
  },
  {
    name: "6 the same, while the agent looks on and its sink is parked",
    async run(site) {
      const log = site.writer({ maxBackups: 1 });
      site.configure({ sink: IN_ORDER });
      await site.start();
      log.write(400);
      await stopBehind(site, 200);
      const deleted: WrittenFile[] = [];
      for (let i = 1; i <= 4; i++) {
        log.rotate();
        log.write(100);
        await site.metric("auditship_rotations_total", {}, i);
        deleted.push(...site.ledger.lose(log.mill()));
      }
      site.receiver.accept();
      await site.settled();
      return { gone: { deleted } };
    },
  },
  {
    name: "7 a backup deleted while the agent is within it: the descriptor holds it",
    async run(site) {
      const log = site.writer();
      site.configure({ sink: { stallAfter: "30s" } });
      site.receiver.script = () => ({ do: "store", late: 20 });
      await site.start();
      log.write(20_000);
      await site.stored(1000);
      const backup = log.rotate();
      log.write(100);
      log.delete(backup);
      await site.settled();
    },
  },
  {
    name: "7 maxage deletes while the agent is within the file",
    async run(site) {
      const log = site.writer({ maxAge: 3_600_000 });
      site.configure({ sink: { stallAfter: "30s" } });
      site.receiver.script = () => ({ do: "store", late: 20 });
      await site.start();
      log.write(20_000);
      await site.stored(1000);
      log.rotate();
      log.clockAhead = 2 * 3_600_000;
      log.write(100);
      log.mill();
      await site.settled();
    },
  },
  {
    name: "7 maxage deletes while the agent is down",
    async run(site) {
      const log = site.writer({ maxAge: 3_600_000 });
      site.configure({ sink: IN_ORDER });
      await site.start();
      log.write(400);
      await stopBehind(site, 100);
      log.rotate();
      log.write(10);
      await site.metric("auditship_rotations_total", {}, 1);
      await site.stop();
      log.clockAhead = 2 * 3_600_000;
      const deleted = site.ledger.lose(log.mill());
      log.write(100);
      site.receiver.accept();
      await site.start();
      await site.settled();
      return { gone: { deleted } };
    },
  },
  {
    name: "7 the file that is read deleted while the agent is down, and no other there",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(100);
      await site.settled();
      await site.stop();
      log.delete(log.rotate());
      log.write(50);
      await site.start();
      await site.settled();
      return { gone: { unseen: 0 } };
    },
  },
  {
    name: "18 10,000 backups at first start",
    timeout: 120_000,
    async run(site) {
      const log = site.writer();
      log.frozen = Date.now() - 20_000_000;
      backlog(log, 10_000);
      log.frozen = undefined;
      log.write(3);
      site.configure({ sink: { concurrency: 1 } });
      await site.start();
      const most = mostDescriptors(site.agent.pid);
      await site.settled(60_000);
      const came = [...site.receiver.identities.keys()];
      if (came.join() !== came.toSorted().join()) throw new Error("not the oldest first");
      if (most() > 100) throw new Error(`${most()} descriptors at once`);
    },
  },
];

/** Resolves when the state on disk knows of a backup. */
async function remembered(site: Site, backup: string): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (readFileSync(site.at("state", "sources", "apiserver.json"), "utf8").includes(backup)) return;
    await sleep(50);
  }
  throw new Error(`the state does not know of ${backup} though the agent has seen it`);
}

/** Most descriptors that a process has held since the call. */
function mostDescriptors(pid: number): () => number {
  let most = 0;
  const look = () => {
    most = Math.max(most, readdirSync(`/proc/${pid}/fd`).length);
    return most;
  };
  const timer = setInterval(look, 10);
  return () => {
    clearInterval(timer);
    return look();
  };
}

/** Backups of two events each, a second apart, every third one compressed. */
function backlog(log: AuditWriter, count: number): void {
  for (let i = 0; i < count; i++) {
    log.write(2);
    const file = log.rotateAtOnce();
    log.frozen! += 1000;
    if (i % 3 === 0) log.compress(file);
  }
}
