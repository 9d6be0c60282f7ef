import fs from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import fileSource from "../../src/tail/index.js";
import { LogName, logsAmong } from "../../src/tail/name.js";
import { line, openSource, readOnce, tempDirectory } from "./harness.js";

describe("names of a log's files", () => {
  it("are taken apart as lumberjack makes them, in UTC", () => {
    const name = new LogName("audit.log");
    const time = Date.UTC(2026, 10, 20, 9, 38, 24, 123);
    expect(name.format(time)).toBe("audit-2026-11-20T09-38-24.123.log");
    expect(name.parse("audit-2026-11-20T09-38-24.123.log")).toEqual({
      base: "audit-2026-11-20T09-38-24.123.log",
      time,
      gzip: false,
    });
    expect(name.parse("audit-2026-11-20T09-38-24.123.log.gz")).toEqual({
      base: "audit-2026-11-20T09-38-24.123.log",
      time,
      gzip: true,
    });
  });

  it.each([
    "audit.log",
    "audit.log.gz",
    "audit-2026-11-20T09-38-24.123.txt",
    "audit-2026-13-20T09-38-24.123.log",
    "audit-2026-02-30T09-38-24.123.log",
    "audit-2026-11-20T09-38-24.log",
    "audit-2026-11-20T09-38-24.123.log.1",
    "other-2026-11-20T09-38-24.123.log",
    "audit-x-2026-11-20T09-38-24.123.log",
  ])("do not include %s", (other) => {
    expect(new LogName("audit.log").parse(other)).toBeUndefined();
  });

  it.each(["kube-apiserver-audit.log", "k8s_audit.log", "audit", "audit.json.log", ".audit"])(
    "may be those of any active file, such as %s",
    (active) => {
      const name = new LogName(active);
      const time = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
      expect(name.parse(name.format(time))).toMatchObject({ time, gzip: false });
      expect(name.parse(`${name.format(time)}.gz`)).toMatchObject({ base: name.format(time), time, gzip: true });
    },
  );

  it("tell which logs a directory holds", () => {
    expect(
      logsAmong(["audit.log", "audit-2026-11-20T09-38-24.123.log", "audit-2026-11-20T09-38-24.124.log.gz", ".hidden"]),
    ).toEqual(["audit.log"]);
    expect(logsAmong(["audit-2026-11-20T09-38-24.123.log.gz"])).toEqual(["audit.log"]);
    expect(logsAmong(["audit-2026-11-20T09-38-24.123.gz"])).toEqual(["audit"]);
    expect(logsAmong(["b.log", "a.log", "a.log.1"])).toEqual(["a.log", "b.log"]);
    expect(logsAmong([])).toEqual([]);
  });
});

describe("a path that is a directory", () => {
  it("is read as the one log in it", async () => {
    const directory = tempDirectory();
    fs.mkdirSync(join(directory, "old"));
    fs.writeFileSync(join(directory, "k8s_audit.log"), line(2));
    fs.writeFileSync(join(directory, "k8s_audit-2026-11-20T09-38-24.123.log"), line(1));
    expect((await readOnce(directory)).text).toBe(line(1) + line(2));
  });

  it("is refused with the names of the logs if it holds several", async () => {
    const directory = tempDirectory();
    fs.writeFileSync(join(directory, "audit.log"), line(1));
    fs.writeFileSync(join(directory, "syslog"), "");
    await expect(openSource(directory)).rejects.toMatchObject({
      code: "AUDITSHIP_SOURCE_PATH",
      message: expect.stringContaining("audit.log, syslog"),
    });
  });

  it("is watched until there is a log in it", async () => {
    const directory = tempDirectory();
    const { source } = await openSource(directory);
    const reader = await source.reader({ at: "beginning" });
    const waiting = reader.next(Buffer.alloc(1024));
    fs.writeFileSync(join(directory, "any-name.log"), line(7));
    expect((await waiting)?.length).toBe(line(7).length);
  });
});

describe("the options of a file source", () => {
  const schema = fileSource.options(z);

  it("need nothing but a path", () => {
    expect(schema.parse({ path: "/var/log/audit.log" })).toEqual({
      path: "/var/log/audit.log",
      pin: false,
      pinSize: 1024 ** 3,
      poll: 250,
    });
    expect(schema.safeParse({}).success).toBe(false);
  });
});
