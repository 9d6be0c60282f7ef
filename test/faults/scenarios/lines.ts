import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Scenario } from "../scenario.js";
import type { Site } from "../site.js";
import type { AuditWriter } from "../writer.js";
import { mayMount } from "./rights.js";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Half a line, and the next event on the same line: a torn remainder and a whole event. */
function tear(site: Site, log: AuditWriter, half: Buffer | string): void {
  const { file, offset } = log.raw(half);
  file.head ??= Buffer.alloc(0);
  site.ledger.invalid.push({ file, offset, length: Buffer.byteLength(half) });
  log.write();
}

/** A line is no event, and is told as invalid. */
function invalidLine(site: Site, log: AuditWriter, line: string): void {
  const { file, offset } = log.raw(`${line}\n`);
  site.ledger.invalid.push({ file, offset, length: Buffer.byteLength(line) });
}

/** JSON members of an event whose body holds what looks like events. */
const EVENTS_WITHIN = `,"responseObject":{"kind":"EventList","items":[{"kind":"Event","apiVersion":"v1","message":"{\\"kind\\":\\"Event\\",\\"apiVersion\\":\\"audit.k8s.io/v1\\"}"},{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"within","stage":"Panic"}]}`;

/** What stands on the lines. */
export const lines: Scenario[] = [
  {
    name: "16 kube-apiserver ends within a line and starts again",
    quick: true,
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(10);
      tear(site, log, log.next().line.subarray(0, 500));
      log.restart();
      log.write(10);
      tear(site, log, log.next({ after: EVENTS_WITHIN, bytes: 2500 }).line.subarray(0, 2400));
      log.write(10, { after: EVENTS_WITHIN, bytes: 2500 });
    },
  },
  {
    name: "16 half a line is there for a while, and the agent is killed meanwhile",
    async run(site) {
      const log = site.writer();
      log.write(10);
      const half = log.next().line.subarray(0, 700);
      await site.start();
      await site.settled();
      const { file, offset } = log.raw(half);
      await sleep(300);
      await site.restart();
      await sleep(300);
      site.ledger.invalid.push({ file, offset, length: half.length });
      log.write(10);
    },
  },
  {
    name: "16 a line comes in three writes, a kill between each",
    async run(site) {
      const log = site.writer();
      log.write(5);
      await site.start();
      const { line, identity } = log.next();
      const { file, offset } = log.raw(line.subarray(0, 300));
      await site.restart();
      log.raw(line.subarray(300, 1000));
      await site.restart();
      log.raw(line.subarray(1000));
      site.ledger.add(file, offset, line, identity);
      log.write(5);
    },
  },
  {
    name: "16 no room left on the log's disk: short writes",
    skip: mayMount,
    async run(site) {
      site.mount("-t", "tmpfs", "-o", "size=1m", "none", site.at("log"));
      const log = site.writer();
      await site.start();
      for (let i = 0; i < 3; i++) {
        while (writeShort(site, log)) await sleep(0);
        // The torn line is the last of its file: it is told when nobody can write on.
        const full = log.rotate();
        await site.settled();
        log.delete(full);
      }
      log.write(10);
    },
  },
  {
    name: "20 NULs within the file, as a power loss leaves them",
    async run(site) {
      const log = site.writer();
      log.write(10);
      log.raw(Buffer.alloc(5000));
      log.write(10);
      await site.start();
      await site.settled();
      await site.stop();
      log.restart();
      log.raw(Buffer.alloc(100_000));
      log.write(10);
      await site.start();
    },
  },
  {
    name: "21 lines of every size around chunks of a power of two",
    async run(site) {
      const log = site.writer({ maxSize: 40 * MIB });
      await site.start();
      for (const size of [64 * KIB, 256 * KIB, MIB, 2 * MIB]) {
        for (const more of [-2, -1, 0, 1, 2]) {
          log.write(1, { bytes: size + more });
          log.write(1);
        }
        await site.settled();
      }
    },
  },
  {
    name: "21 newlines and multi-byte characters on chunk boundaries",
    async run(site) {
      // Of every length in characters of two, three and four bytes, so that every boundary cuts some of them.
      const log = site.writer();
      for (let i = 0; i < 6000; i++) {
        const text = "äऔ𝄞".repeat(200 + (i % 41));
        log.write(1, { bytes: 1000 + (i % 7), after: `,"annotations":{"t":"${text}"}` });
      }
      await site.start();
    },
  },
  ...[3, 16, 23].map(
    (mib): Scenario => ({
      name: `21 lines of ${mib} MiB`,
      async run(site) {
        const log = site.writer();
        await site.start();
        for (let i = 0; i < 3; i++) {
          log.write(1, { bytes: mib * MIB });
          log.write(10);
        }
      },
    }),
  ),
  {
    name: "21 a line of 100 MiB: its envelope arrives",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(10);
      const body = `,"requestObject":{"data":"${"y".repeat(100 * MIB)}"}`;
      log.write(1, { after: body });
      log.write(10);
    },
  },
  {
    name: "21 the last line without its newline, until the file is a backup",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(10);
      await site.settled();
      const { line, identity } = log.next();
      const { file, offset } = log.raw(line.subarray(0, -1));
      await sleep(200);
      if (site.receiver.identities.has(identity)) throw new Error("a line without its newline was taken for whole");
      site.ledger.add(file, offset, line.subarray(0, -1), identity);
      log.rotate();
      log.write(10);
    },
  },
  {
    name: "22 500 MB without a newline",
    timeout: 120_000,
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(10);
      await site.settled();
      const block = Buffer.alloc(MIB, "x");
      const { file, offset } = log.raw(block);
      for (let i = 1; i < 500; i++) {
        log.raw(block);
        if (i % 20 === 0) await sleep(5);
      }
      log.raw("\n");
      site.ledger.invalid.push({ file, offset, length: 500 * MIB });
      log.write(10);
      await site.settled(60_000);
    },
  },
  {
    name: "23 every stage, truncated, patched, tables, lists",
    async run(site) {
      const log = site.writer();
      await site.start();
      for (const stage of ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"]) log.write(3, { stage });
      log.write(1, { after: ',"annotations":{"audit.k8s.io/truncated":"true"}' });
      log.write(1, { after: ',"requestObject":[{"op":"replace","path":"/spec/replicas","value":2}]' });
      log.write(1, { after: ',"responseObject":{"kind":"Table","rows":[{"cells":["a",1]}]}' });
      log.write(1, { after: EVENTS_WITHIN });
      list(site, log, 7);
      log.write(3);
    },
  },
  {
    name: "19 lines that are no events",
    async run(site) {
      const log = site.writer();
      await site.start();
      log.write(3);
      for (const line of ["x", "1", "null", '"text"', '{"kind":"Event"', "[]]", "{}}"]) invalidLine(site, log, line);
      log.raw("\n\r\n   \n");
      log.write(3);
    },
  },
];

/** Writes as far as there is room; false once a line was torn. */
function writeShort(site: Site, log: AuditWriter): boolean {
  const { file } = log;
  const { size } = fs.statSync(log.path);
  const next = log.next();
  const written = shortWrite(log, next.line);
  if (written === next.line.length) {
    site.ledger.add(file, size, next.line, next.identity);
    return true;
  }
  if (written > 0) site.ledger.invalid.push({ file, offset: size, length: written });
  return false;
}

function shortWrite(log: AuditWriter, line: Buffer): number {
  const fd = fs.openSync(log.path, "a");
  try {
    return fs.writeSync(fd, line);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") return 0;
    throw error;
  } finally {
    fs.closeSync(fd);
  }
}

/** Writes an EventList of so many events on one line. */
function list(site: Site, log: AuditWriter, count: number): void {
  const first = site.ledger.events;
  const events = Array.from({ length: count }, (_, i) => log.next({ auditID: `list-${first}-${i}` }));
  const items = events.map(({ line }) => line.toString().trimEnd()).join(",");
  const line = Buffer.from(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${items}]}\n`);
  const { file, offset } = log.raw(line);
  for (const [i, { identity }] of events.entries()) {
    site.ledger.add(file, offset, line, identity, i === 0 ? line.length : 0);
  }
}
