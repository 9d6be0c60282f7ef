// Builds dist/: the program, in parts that are read when they are needed; the plugin API in one file; and the API's types.
import { execFileSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");

/** CommonJS libraries in the bundle call `require` for Node's own modules. */
const REQUIRE =
  'import { createRequire as createRequireOfBundle } from "node:module"; const require = createRequireOfBundle(import.meta.url);';

/** Of the fifty languages that zod brings for its messages, the program speaks one. */
const english = {
  name: "english",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\.\/locales\/index\.js$/ }, ({ resolveDir }) => ({
      path: join(resolveDir, "../locales/en.js"),
    }));
  },
};

const options = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  target: "node20.19",
  format: "esm",
  sourcemap: "linked",
  sourcesContent: false,
  // Names stay, for stack traces; the rest would only cost memory and time to start.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "none",
  logLevel: "warning",
  plugins: [english],
};

rmSync(dist, { recursive: true, force: true });
await Promise.all([
  build({
    ...options,
    entryPoints: { auditship: "src/main.ts" },
    outdir: "dist",
    splitting: true,
    chunkNames: "parts/[name]-[hash]",
    banner: { js: REQUIRE },
  }),
  build({ ...options, entryPoints: ["src/plugin/index.ts"], outfile: "dist/plugin.js", banner: { js: REQUIRE } }),
]);
chmodSync(join(dist, "auditship.js"), 0o755);

const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
execFileSync(process.execPath, [tsc, "-p", join(root, "scripts", "tsconfig.types.json")], { stdio: "inherit" });
