import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Scenario } from "../scenario.js";
import type { Site } from "../site.js";
import { mayMount } from "./rights.js";

const SMALL_REQUESTS = { concurrency: 1, request: { maxEvents: 20, maxWait: "20ms" } };

/** A sink that is down, and a log of which rotation keeps one backup: so many are deleted unread. */
async function outage(site: Site, rotations: number, compress = false): Promise<void> {
  const log = site.writer({ maxBackups: 1, compress });
  await site.start();
  log.write(100);
  await site.settled();
  await site.caughtUp();
  site.receiver.refuse();
  log.write(200);
  await site.parked();
  for (let i = 1; i <= rotations; i++) {
    log.rotate();
    log.write(100);
    await site.metric("auditship_rotations_total", {}, i);
    log.mill();
  }
}

const pinsOf = (site: Site): string[] => fs.readdirSync(site.at("log", ".auditship-apiserver"));

/** Bytes of files that only a pin keeps. */
function keptBytes(site: Site): number {
  const stats = pinsOf(site).map((name) => fs.statSync(site.at("log", ".auditship-apiserver", name)));
  return stats.filter(({ nlink }) => nlink === 1).reduce((sum, { size }) => sum + size, 0);
}

/** Files kept by hard links. */
export const pinning: Scenario[] = [
  {
    name: "7 pinned: rotation deletes what the sink has not got, and nothing is lost",
    quick: true,
    async run(site) {
      site.configure({ source: { pin: true }, sink: SMALL_REQUESTS });
      await outage(site, 5);
      site.receiver.accept();
      await site.settled();
      await site.caughtUp();
      await site.stop();
      if (pinsOf(site).length > 1) throw new Error(`pins are left: ${pinsOf(site)}`);
      await site.start();
    },
  },
  {
    name: "7 pinned and compressed, killed meanwhile",
    async run(site) {
      site.configure({ source: { pin: true }, sink: SMALL_REQUESTS });
      await outage(site, 4, true);
      await site.kill();
      await site.start();
      site.log.mill();
      await site.kill();
      site.receiver.accept();
      await site.start();
    },
  },
  {
    name: "7 pinned, and the state lost: what is pinned is read all the same",
    async run(site) {
      site.configure({ source: { pin: true }, sink: SMALL_REQUESTS });
      await outage(site, 3);
      await site.kill();
      fs.rmSync(site.at("state"), { recursive: true });
      site.receiver.accept();
      await site.start();
    },
  },
  {
    name: "7 pinned with a budget that is too small: the oldest are lost, to the byte",
    async run(site) {
      site.configure({ source: { pin: true, pinSize: "250KiB" }, sink: SMALL_REQUESTS });
      await outage(site, 6);
      // The budget is looked at with the next rotation.
      site.log.rotate();
      site.log.write(100);
      await site.metric("auditship_rotations_total", {}, 7);
      while (keptBytes(site) > 250 * 1024) await sleep(20);
      const kept = new Set(pinsOf(site).map((name) => name.split("-").at(-1)!.split(".")[0]));
      const short = (fingerprint: string) => Buffer.from(fingerprint.slice(0, 24), "hex").toString("base64url");
      const ids = new Set([...kept].map(short));
      const lost = site.log.backups.filter(({ id, backup }) => !ids.has(id) && !fs.existsSync(site.at("log", backup)));
      if (lost.length === 0 || lost.length === 7) throw new Error(`${lost.length} of 7 files are not pinned`);
      site.ledger.lose(lost);
      site.receiver.accept();
      await site.settled();
      return { gone: { deleted: lost } };
    },
  },
  {
    name: "7 pinned on another file system: refused",
    skip: mayMount,
    async run(site) {
      fs.mkdirSync(site.at("pins"));
      site.mount("-t", "tmpfs", "-o", "size=1m", "none", site.at("pins"));
      site.configure({ source: { pin: true, pinDirectory: "pins" } });
      site.writer().write(10);
      const agent = site.launch();
      const exit = await agent.program.exited;
      if (exit === 0 || !agent.log.includes("AUDITSHIP_SOURCE_PIN")) throw new Error(`${exit}: ${agent.log}`);
      site.configure();
      await site.start();
    },
  },
];
