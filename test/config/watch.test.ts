import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "vitest";
import { type ConfigWatch, watchConfig } from "../../src/config/watch.js";

let directory: string;
let watch: ConfigWatch | undefined;
let hear = () => {};

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "auditship-watch-"));
});

afterEach(async () => {
  await watch?.close();
  await rm(directory, { recursive: true });
});

async function follow(...names: string[]): Promise<void> {
  watch = await watchConfig(
    names.map((name) => join(directory, name)),
    () => hear(),
  );
}

/** Resolves when a change has been told. */
const change = () =>
  new Promise<void>((resolve) => {
    hear = resolve;
  });

const write = (name: string, text: string) => writeFile(join(directory, name), text);

describe("a watched configuration", () => {
  it("tells a file that is new in a directory, and one that is put in another's place", async () => {
    await mkdir(join(directory, "rules"));
    await follow("rules");
    let changed = change();
    await write("rules/new.yaml", "1");
    await changed;
    changed = change();
    await write("other.yaml", "2");
    await rename(join(directory, "other.yaml"), join(directory, "rules/new.yaml"));
    await changed;
  });

  it.each([
    ["the mounted directory", "mount"],
    ["a file in it", "mount/rules.yaml"],
  ])("tells each swap of a ConfigMap's ..data link, as the kubelet does it, through %s", async (_, name) => {
    const mount = (file: string) => join(directory, "mount", file);
    const version = async (number: number) => {
      await mkdir(mount(`..${number}`), { recursive: true });
      await writeFile(mount(`..${number}/rules.yaml`), String(number));
    };
    await version(0);
    await symlink("..0", mount("..data"));
    await symlink("..data/rules.yaml", mount("rules.yaml"));
    await follow(name);
    for (let number = 1; number < 4; number++) {
      const changed = change();
      await version(number);
      await symlink(`..${number}`, mount("..data_tmp"));
      await rename(mount("..data_tmp"), mount("..data"));
      await rm(mount(`..${number - 1}`), { recursive: true });
      await changed;
    }
  });

  it("may be replaced by another file, again and again", async () => {
    await write("a.yaml", "0");
    await follow("a.yaml");
    for (let number = 1; number < 4; number++) {
      const changed = change();
      await write("b.yaml", String(number));
      await rename(join(directory, "b.yaml"), join(directory, "a.yaml"));
      await changed;
    }
  });

  it("tells what changes in a directory that was put in another's place, again and again", async () => {
    const place = join(directory, "rules");
    await mkdir(place);
    await follow("rules");
    for (let number = 1; number < 4; number++) {
      let changed = change();
      await rename(place, join(directory, `gone-${number}`));
      await changed;
      changed = change();
      await mkdir(place);
      await changed;
      changed = change();
      await write("rules/a.yaml", String(number));
      await changed;
    }
  });

  it.each(["rules", "rules/team"])("tells that a link in %s leads to another file or directory", async (name) => {
    const place = join(directory, name, "link");
    await mkdir(join(directory, name), { recursive: true });
    for (const target of ["first", "second"]) {
      await mkdir(join(directory, target));
      await write(`${target}/a.yaml`, target);
    }
    const lead = async (target: string) => {
      await symlink(join(directory, target), join(directory, "next"));
      await rename(join(directory, "next"), place);
    };
    await lead("first");
    await follow("rules");
    for (const target of ["second", "second/a.yaml", "first/a.yaml", "first"]) {
      const changed = change();
      await lead(target);
      await changed;
    }
    const changed = change();
    await write("first/a.yaml", "1");
    await changed;
  });

  it("tells that a link leads to another directory, and what changes in that", async () => {
    for (const name of ["first", "second"]) await mkdir(join(directory, name, "rules"), { recursive: true });
    await symlink("first", join(directory, "current"));
    await follow("current/rules");
    let changed = change();
    await symlink("second", join(directory, "next"));
    await rename(join(directory, "next"), join(directory, "current"));
    await changed;
    changed = change();
    await write("second/rules/a.yaml", "1");
    await changed;
  });
});
