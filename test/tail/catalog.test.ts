import fs from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { Catalog } from "../../src/tail/catalog.js";
import { FileTable } from "../../src/tail/file-table.js";
import { OpenFiles } from "../../src/tail/open-files.js";
import { Reports } from "../../src/tail/reports.js";
import { contextOf, line, tempDirectory } from "./harness.js";

afterEach(() => void vi.restoreAllMocks());

it("A log surges that grows by 5 MB a second or more, whatever the time between two looks", async () => {
  const path = join(tempDirectory(), "audit.log");
  fs.writeFileSync(path, line(0));
  const context = contextOf({ log: [], metrics: new Map(), losses: [] }, {});
  const table = FileTable.restore(undefined);
  const catalog = new Catalog({ path }, table, new OpenFiles(context), new Reports(context), context);
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
