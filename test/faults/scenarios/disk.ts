import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import type { Scenario } from "../scenario.js";
import type { Site } from "../site.js";

const SHIM = fileURLToPath(new URL("broken-disk.c", import.meta.url));
/** Linux's; Node does not name it everywhere. */
const ESTALE = constants.errno.ESTALE ?? 116;

function mayCompile(): string | undefined {
  try {
    execFileSync("cc", ["--version"], { stdio: "pipe" });
    return undefined;
  } catch {
    return "there is no C compiler (cc)";
  }
}

/** What the agent needs to be started with so that its disk can break. */
function breakable(site: Site): Record<string, string> {
  const library = site.at("broken-disk.so");
  execFileSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, SHIM], { stdio: "pipe" });
  return { LD_PRELOAD: library, FAULTS_PATH: site.at("log"), FAULTS_FILE: site.at("fault") };
}

/** Reads of the log fail. */
export const disk: Scenario[] = [
  ...Object.entries({ EIO: constants.errno.EIO, ESTALE }).map(
    ([name, number]): Scenario => ({
      name: `17 reads end with ${name}, then not any more`,
      skip: mayCompile,
      async run(site) {
        const log = site.writer();
        await site.start({ env: breakable(site) });
        log.write(100);
        await site.settled();
        fs.writeFileSync(site.at("fault"), String(number));
        log.write(100);
        await site.metric("auditship_source_errors_total", { kind: "read" });
        log.rotate();
        log.write(100);
        fs.rmSync(site.at("fault"));
        await site.settled();
        fs.writeFileSync(site.at("fault"), String(number));
        log.compress(log.rotate());
        log.write(100);
        await site.metric("auditship_source_errors_total", { kind: "read" }, 2);
        fs.rmSync(site.at("fault"));
      },
    }),
  ),
];
