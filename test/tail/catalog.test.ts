import fs from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { Catalog } from "../../src/tail/catalog.js";
import { FileTable } from "../../src/tail/file-table.js";
import { OpenFiles } from "../../src/tail/open-files.js";
import { Reports } from "../../src/tail/reports.js";
import { contextOf, line, tempDirectory } from "./harness.js";

afterEach(() => void vi.restoreAllMocks());

function catalogOf(path: string): Catalog {
  const context = contextOf({ log: [], metrics: new Map(), losses: [] }, {});
  return new Catalog({ path }, FileTable.restore(undefined), new OpenFiles(context), new Reports(context), context);
}

it("A new active file is seen though it has the inode number of the one that was looked at last, which was not the one before it", async () => {
  const directory = tempDirectory();
  const path = join(directory, "audit.log");
  const numbered = join(directory, "numbered");
  fs.writeFileSync(path, line(0));
  const catalog = catalogOf(path);
  await catalog.update();
  catalog.look();
  // As if it had been deleted, and its number were free.
  fs.renameSync(path, numbered);
  fs.writeFileSync(path, line(1));
  await catalog.update();
  fs.renameSync(path, join(directory, "audit-2026-11-20T00-00-00.000.log"));
  fs.renameSync(numbered, path);
  fs.writeFileSync(path, line(2));
  expect(catalog.look()).toBe("different");
  catalog.close();
});

it("A log surges that grows by 5 MB a second or more, whatever the time between two looks", async () => {
  const path = join(tempDirectory(), "audit.log");
  fs.writeFileSync(path, line(0));
  const catalog = catalogOf(path);
  const clock = vi.spyOn(performance, "now").mockReturnValue(0);
  await catalog.update();
  catalog.look();
  const lookAfter = (milliseconds: number, bytes: number) => {
    fs.appendFileSync(path, "x".repeat(bytes));
    clock.mockReturnValue(performance.now() + milliseconds);
    return catalog.look();
  };
  expect(lookAfter(25, 124_000)).toBe("grown");
  expect(lookAfter(25, 126_000)).toBe("surging");
  expect(lookAfter(50, 249_000)).toBe("grown");
  expect(lookAfter(50, 251_000)).toBe("surging");
  expect(lookAfter(10, 0)).toBe("same");
  // 200 KB in 50 ms, since the last change.
  expect(lookAfter(40, 200_000)).toBe("grown");
  // What was measured in between counts.
  fs.appendFileSync(path, "x".repeat(200_000));
  catalog.measure();
  expect(lookAfter(50, 60_000)).toBe("surging");
  catalog.close();
});
