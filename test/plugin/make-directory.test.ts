import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { makeDirectory, makeDirectorySync } from "../../src/plugin/index.js";

function tempDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "auditship-directory-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

describe.each([
  ["makeDirectory", makeDirectory],
  ["makeDirectorySync", async (path: string) => makeDirectorySync(path)],
])("%s", (_, make) => {
  it("makes a directory and those above it, for their owner only, and is content with those that are there", async () => {
    const top = tempDirectory();
    const path = join(top, "a/b/c");
    await make(path);
    await make(path);
    for (const made of ["a", "a/b", "a/b/c"]) expect(statSync(join(top, made)).mode & 0o777).toBe(0o700);
  });

  it("takes a link to a directory for one", async () => {
    const top = tempDirectory();
    symlinkSync(top, join(top, "link"));
    await make(join(top, "link/a"));
    expect(statSync(join(top, "a")).isDirectory()).toBe(true);
  });

  it("says that a file is in the way", async () => {
    const file = join(tempDirectory(), "file");
    writeFileSync(file, "");
    await expect(make(file)).rejects.toMatchObject({ code: "EEXIST", path: file });
    await expect(make(join(file, "a/b"))).rejects.toMatchObject({ code: "EEXIST", path: file });
  });

  // Node's own, recursive, never ends there.
  it.runIf(existsSync("/proc/self"))("fails where nothing can be made", async () => {
    await expect(make("/proc/auditship/a/b")).rejects.toMatchObject({ code: "ENOENT", path: "/proc/auditship" });
  });
});
