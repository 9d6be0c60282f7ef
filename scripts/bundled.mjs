// Runs a TypeScript file as it would run in the program: bundled, by plain Node. node scripts/bundled.mjs FILE [ARGUMENT…]
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { build } from "esbuild";

const [, , file, ...rest] = process.argv;
const directory = mkdtempSync(join(tmpdir(), "auditship-bundled-"));
const outfile = join(directory, "bundle.mjs");
try {
  await build({
    entryPoints: [file],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "esm",
    logLevel: "warning",
    define: { "import.meta.dirname": JSON.stringify(dirname(resolve(file))) },
    banner: { js: 'import { createRequire as r } from "node:module"; const require = r(import.meta.url);' },
  });
  process.exitCode = spawnSync(process.execPath, [outfile, ...rest], { stdio: "inherit" }).status ?? 1;
} finally {
  rmSync(directory, { recursive: true });
}
