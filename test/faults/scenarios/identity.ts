import fs from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Scenario } from "../scenario.js";
import type { AuditWriter } from "../writer.js";
import { mayMount } from "./rights.js";

const GIB = 1024 ** 3;

/** Truncates the active file; kube-apiserver has it open with O_APPEND, as after its start. */
function truncate(log: AuditWriter, size = 0): void {
  log.restart();
  fs.truncateSync(log.path, size);
  if (size === 0) log.startFile();
}

/** Which file is which: reuse, copies, truncation. */
export const identity: Scenario[] = [
  {
    name: "8 an inode reused by a file with the same first kilobyte",
    quick: true,
    async run(site) {
      const long = { before: `"pad":"${"p".repeat(1100)}",`, bytes: 2500 };
      const log = site.writer();
      await site.start();
      log.write(10, long);
      await site.settled();
      await site.stop();
      const { ino } = fs.statSync(log.path);
      log.restart();
      for (let i = 0; i < 100; i++) {
        fs.unlinkSync(log.path);
        fs.writeFileSync(log.path, "");
        if (fs.statSync(log.path).ino === ino) break;
      }
      log.startFile();
      log.write(50, long);
      await site.start();
      await site.settled();
      return { gone: { unseen: 0 } };
    },
  },
  {
    name: "8 a copy of a backup under another backup's name",
    async run(site) {
      const log = site.writer();
      await site.start();
      for (let i = 0; i < 2; i++) {
        log.write(100);
        log.rotate();
      }
      log.write(10);
      await site.settled();
      const [first] = log.backups;
      const copy = join(log.directory, log.lumberjack.name.format(log.now() - 1));
      fs.copyFileSync(join(log.directory, first.backup), copy);
      log.write(10);
      log.rotate();
      log.write(10);
      await site.metric("auditship_source_errors_total", { kind: "duplicate" });
      await site.settled();
      await site.restart();
    },
  },
  ...["plain", "gzip"].map(
    (kind): Scenario => ({
      name: `8 a backup deleted, and restored from a copy, ${kind}`,
      async run(site) {
        const log = site.writer();
        const away = site.at("away");
        await site.start();
        log.write(100);
        const backup = log.rotate();
        if (kind === "gzip") log.compress(backup);
        log.write(10);
        await site.settled();
        const name = kind === "gzip" ? `${backup.backup}.gz` : backup.backup;
        fs.copyFileSync(join(log.directory, name), away);
        log.delete(backup);
        log.write(10);
        log.rotate();
        log.write(10);
        await site.settled();
        fs.copyFileSync(away, join(log.directory, name));
        log.rotate();
        log.write(10);
        await site.settled();
        await site.kill();
        await site.start();
      },
    }),
  ),
  {
    name: "8 the whole directory copied to another place: new inodes, old names",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(100);
      log.rotate();
      log.write(100);
      await site.settled();
      await site.stop();
      log.restart();
      fs.cpSync(log.directory, site.at("copy"), { recursive: true });
      fs.rmSync(log.directory, { recursive: true });
      fs.renameSync(site.at("copy"), log.directory);
      log.write(50);
      await site.start();
    },
  },
  {
    name: "10 copytruncate with O_APPEND",
    async run(site) {
      const log = site.writer();
      await site.start();
      for (let i = 0; i < 3; i++) {
        log.write(200);
        await site.settled();
        fs.copyFileSync(log.path, `${log.path}.${i + 1}`);
        truncate(log);
      }
      log.write(100);
    },
  },
  {
    name: "10 copytruncate without O_APPEND: a hole of 1 GiB",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(200);
      await site.settled();
      fs.copyFileSync(log.path, `${log.path}.1`);
      truncate(log);
      // As the writer goes on where it was: in a file of a gigabyte.
      const { line, identity } = log.next();
      const fd = fs.openSync(log.path, "r+");
      fs.writeSync(fd, line, 0, line.length, GIB);
      fs.closeSync(fd);
      site.ledger.add(log.file, GIB, line, identity);
      log.write(100);
    },
  },
  {
    name: "10 the same while the agent is down",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(200);
      await site.settled();
      await site.stop();
      truncate(log);
      fs.truncateSync(log.path, GIB);
      log.write(100);
      await site.start();
      await site.settled();
      // The old file may have grown before.
      return { gone: { unseen: 0 } };
    },
  },
  {
    name: "11 truncated to nothing",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(200);
      await site.settled();
      truncate(log);
      log.write(50);
    },
  },
  {
    name: "11 truncated to nothing and grown past the old end between two looks",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(200);
      await site.settled();
      truncate(log);
      log.write(400);
    },
  },
  {
    name: "11 truncated to nothing before it was read: what was seen of it is counted",
    async run(site) {
      const log = site.writer();
      site.configure({ sink: { concurrency: 1, request: { maxEvents: 20, maxWait: "20ms" } } });
      await site.start();
      log.write(20);
      await site.settled();
      site.receiver.refuse();
      log.write(500);
      await site.parked();
      const { file } = log;
      await site.metric("auditship_lag_bytes", {}, 500 * 1100);
      truncate(log);
      site.ledger.lose([file]);
      log.write(50);
      await site.metric("auditship_source_errors_total", { kind: "replaced" });
      site.receiver.accept();
      await site.settled();
      return { gone: { overwritten: [file] } };
    },
  },
  {
    name: "11 cut to less, then written on",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(200);
      await site.settled();
      truncate(log, 100 * 1100);
      await site.metric("auditship_source_errors_total", { kind: "replaced" });
      log.write(50);
    },
  },
  {
    name: "11 cut to less and grown past the old end between two looks",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(200);
      await site.settled();
      truncate(log, 100 * 1100);
      log.write(200);
    },
  },
  {
    name: "11 cut to less and grown past the old end while the agent is down",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(200);
      await site.settled();
      await site.stop();
      truncate(log, 100 * 1100);
      log.write(200);
      await site.start();
    },
  },
  {
    name: "12 a file shorter than any fingerprint",
    async run(site) {
      const log = site.writer();
      log.write(1, { bytes: 600 });
      await site.start();
      await site.settled();
      await site.kill();
      await site.start();
      log.write(1, { bytes: 600 });
      await site.settled();
      log.rotate();
      log.write(1, { bytes: 600 });
      await site.settled();
      log.compress(log.backups[0]);
      log.rotate();
      await site.restart();
      log.write(1, { bytes: 600 });
    },
  },
  {
    name: "12 an empty file, rotated empty",
    async run(site) {
      const log = site.writer();
      log.lumberjack.size;
      await site.start();
      log.rotate();
      await site.restart();
      log.write();
    },
  },
  {
    name: "12 a file made after the start",
    async run(site) {
      const log = site.writer();
      await site.start();
      await sleep(100);
      log.write(10);
    },
  },
  {
    name: "12 a directory made after the start",
    async run(site) {
      fs.rmdirSync(site.at("log"));
      const log = site.writer();
      await site.start();
      await sleep(100);
      log.write(10);
      await site.settled();
      log.rotate();
      log.write(10);
    },
  },
  {
    name: "13 a symlinked directory, and the link turned to another one",
    async run(site) {
      fs.rmdirSync(site.at("log"));
      for (const name of ["one", "two"]) fs.mkdirSync(site.at(name));
      fs.symlinkSync("one", site.at("log"));
      const first = site.writer({}, site.at("one", "audit.log"));
      await site.start();
      first.write(50);
      first.rotate();
      first.write(50);
      await site.settled();
      const second = site.writer({}, site.at("two", "audit.log"));
      second.write(20);
      fs.symlinkSync("two", site.at("link"));
      fs.renameSync(site.at("link"), site.at("log"));
      second.write(50);
      await site.settled();
      second.rotate();
      second.write(50);
    },
  },
  {
    name: "13 a bind mount replaced",
    skip: mayMount,
    async run(site) {
      for (const name of ["one", "two"]) fs.mkdirSync(site.at(name));
      const first = site.writer({}, site.at("one", "audit.log"));
      site.mount("--bind", site.at("one"), site.at("log"));
      await site.start();
      first.write(50);
      await site.settled();
      const second = site.writer({}, site.at("two", "audit.log"));
      second.write(20);
      site.mount("--bind", site.at("two"), site.at("log"));
      second.write(50);
      await site.settled();
      second.rotate();
      second.write(50);
    },
  },
  {
    name: "13 the directory deleted and made again",
    async run(site) {
      const log = site.writer();
      await site.start();
      for (let i = 0; i < 3; i++) {
        log.write(50);
        log.rotate();
        log.write(50);
        await site.settled();
        log.restart();
        fs.rmSync(log.directory, { recursive: true });
        if (i === 1) await sleep(200);
      }
      log.write(50);
    },
  },
  {
    name: "13 a file mounted alone: the writer cannot rotate it",
    skip: mayMount,
    async run(site) {
      fs.writeFileSync(site.at("alone"), "");
      fs.writeFileSync(site.at("log", "audit.log"), "");
      site.mount("--bind", site.at("alone"), site.at("log", "audit.log"));
      const log = site.writer();
      await site.start();
      log.write(200);
      await site.settled();
      let busy = "";
      try {
        log.rotate();
      } catch (error) {
        busy = (error as NodeJS.ErrnoException).code ?? "";
      }
      if (busy !== "EBUSY") throw new Error(`the rotation ended with ${busy}`);
      log.write(200);
      await site.restart();
      log.write(10);
    },
  },
];
