// Compiles src/event/assembly/ (AssemblyScript) to WebAssembly, as a module that the bundle can hold: src/event/wasm.ts.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const event = join(import.meta.dirname, "..", "src", "event");

/** The text of src/event/wasm.ts. */
export async function wasmModule(): Promise<string> {
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [
      "index.ts",
      ...["--baseDir", join(event, "assembly")],
      ...["--outFile", "scanner.wasm"],
      ...["--runtime", "stub", "-O3", "--converge", "--noAssert"],
      ...["--enable", "simd", "--importMemory", "--use", "abort="],
    ],
    {
      readFile(name, base) {
        const path = join(base, name);
        return existsSync(path) ? readFileSync(path, "utf8") : null;
      },
      writeFile(_name, contents) {
        binary = contents as Uint8Array;
      },
    },
  );
  if (error || !binary) throw new Error(`asc: ${stderr}`);
  const lines =
    Buffer.from(binary)
      .toString("base64")
      .match(/.{1,110}/g) ?? [];
  return [
    "// Written by `npm run wasm` out of assembly/: change that. A test holds the two together.",
    `/** The WebAssembly module (${binary.length} bytes), base64. */`,
    "export const SCANNER =",
    `${lines.map((line) => `  "${line}"`).join(" +\n")};`,
    "",
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(join(event, "wasm.ts"), await wasmModule());
