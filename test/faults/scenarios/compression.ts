import fs from "node:fs";
import { join } from "node:path";
import { constants, gunzipSync, gzipSync } from "node:zlib";
import type { WrittenFile } from "../ledger.js";
import type { Scenario } from "../scenario.js";
import type { Site } from "../site.js";
import type { AuditWriter } from "../writer.js";

/** The agent has read a file to its end and stopped; the file has grown since, and is a backup now. */
async function backupBehind(site: Site, log: AuditWriter): Promise<WrittenFile> {
  log.write(500);
  await site.start();
  await site.settled();
  await site.stop();
  log.write(500);
  const backup = log.rotate();
  log.write(100);
  return backup;
}

/** What can be had of a damaged gzip file, by zlib itself. */
const readable = (bytes: Buffer): number => gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).length;

/** The `.gz` of a backup is cut to a share, and there is no plain file. */
function cut(site: Site, log: AuditWriter, backup: WrittenFile, share: number): void {
  log.compress(backup);
  const path = join(log.directory, `${backup.backup}.gz`);
  fs.truncateSync(path, Math.floor(fs.statSync(path).size * share));
  loseBeyond(site, backup, readable(fs.readFileSync(path)));
}

/** The bytes of a file from `end` on are nowhere; what is left of the line there is told as invalid. */
function loseBeyond({ ledger }: Site, file: WrittenFile, end: number): void {
  for (const event of file.events) {
    if (event.offset + event.bytes <= end || !ledger.pending.has(event.identity)) continue;
    const there = Math.max(0, end - event.offset);
    ledger.loseEvent(event, event.bytes - there);
    if (there > 0) ledger.invalid.push({ file, offset: event.offset, length: there });
  }
}

/** What compression, and its end half way, leave behind. */
export const compression: Scenario[] = [
  {
    name: "4 a .gz half written beside the plain file, then whole, then alone",
    quick: true,
    async run(site) {
      const log = site.writer();
      const backup = await backupBehind(site, log);
      const steps = log.lumberjack.compression(backup.backup);
      steps.next();
      await site.start();
      await site.settled();
      log.write(50);
      steps.next();
      await site.settled();
      await site.kill();
      steps.next();
      log.write(50);
      await site.start();
    },
  },
  {
    name: "4 a .gz that a power loss has cut beside the plain file",
    async run(site) {
      const log = site.writer();
      const backup = await backupBehind(site, log);
      log.lumberjack.compression(backup.backup).next();
      await site.start();
      await site.settled();
      await site.kill();
      // kube-apiserver compresses leftovers again when it starts.
      log.compress(backup);
      await site.start();
    },
  },
  {
    name: "4 the plain file removed while the agent is within it",
    async run(site) {
      const log = site.writer();
      site.configure({ sink: { stallAfter: "30s" } });
      site.receiver.script = () => ({ do: "store", late: 20 });
      await site.start();
      log.write(10_000);
      await site.stored(1000);
      log.compress(log.rotate());
      log.write(10);
      await site.settled();
    },
  },
  {
    name: "4 killed within a plain file, compressed while down, killed within the .gz",
    async run(site) {
      const log = site.writer();
      site.receiver.script = () => ({ do: "store", late: 10 });
      log.write(10_000);
      log.rotate();
      log.write(10);
      await site.start();
      await site.stored(2000);
      await site.kill();
      log.mill();
      log.compress(log.backups[0]);
      await site.start();
      await site.stored(5000);
      await site.kill();
      site.receiver.accept();
      await site.start();
    },
  },
  {
    name: "4 a .gz that is cut, alone: what can be read is read, the rest told",
    async run(site) {
      const log = site.writer();
      const backup = await backupBehind(site, log);
      cut(site, log, backup, 0.75);
      await site.start();
      await site.settled();
      return { gone: { unseen: [backup] } };
    },
  },
  {
    name: "4 the same, cut before what was delivered",
    async run(site) {
      const log = site.writer();
      const backup = await backupBehind(site, log);
      cut(site, log, backup, 0.25);
      await site.start();
      await site.settled();
      return { gone: { unseen: [backup] } };
    },
  },
  {
    name: "4 the same, of a file whose size was seen: counted to the byte",
    async run(site) {
      const log = site.writer();
      site.configure({ sink: { concurrency: 1, request: { maxEvents: 20, maxWait: "20ms" } } });
      log.write(10);
      await site.start();
      await site.settled();
      site.receiver.refuse();
      log.write(500);
      const backup = log.rotate();
      log.write(100);
      await site.parked();
      await site.metric("auditship_rotations_total");
      await site.stop();
      cut(site, log, backup, 0.5);
      site.receiver.accept();
      await site.start();
      await site.settled();
      return { gone: { unreadable: [backup] } };
    },
  },
  {
    name: "4 a .gz with wrong bytes in its middle",
    async run(site) {
      const log = site.writer();
      const backup = await backupBehind(site, log);
      log.compress(backup);
      const path = join(log.directory, `${backup.backup}.gz`);
      const bytes = fs.readFileSync(path);
      bytes.fill(0xff, Math.floor(bytes.length * 0.75), Math.floor(bytes.length * 0.75) + 64);
      fs.writeFileSync(path, bytes);
      const from = backup.events.findIndex(({ identity }) => site.ledger.pending.has(identity));
      // Until zlib notices, it makes other bytes of them.
      for (const event of backup.events.slice(from)) site.ledger.loseEvent(event);
      await site.start();
      await site.settled();
      return { gone: { unseen: [backup] }, garbled: true };
    },
  },
  {
    name: "4 a .gz of several members",
    async run(site) {
      const log = site.writer();
      const backup = await backupBehind(site, log);
      const path = join(log.directory, backup.backup);
      const bytes = fs.readFileSync(path);
      const parts = [0, 100_000, 100_001, 500_000, bytes.length];
      const members = parts.slice(1).map((end, i) => gzipSync(bytes.subarray(parts[i], end)));
      fs.writeFileSync(`${path}.gz`, Buffer.concat(members));
      fs.unlinkSync(path);
      await site.start();
    },
  },
  {
    name: "4 an empty .gz",
    async run(site) {
      const log = site.writer();
      log.write(100);
      fs.writeFileSync(site.at("log", `${log.lumberjack.name.format(Date.now() - 60_000)}.gz`), "");
      await site.start();
      await site.settled();
    },
  },
];
