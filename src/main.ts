#!/usr/bin/env node
import { main } from "./cli/index.js";

// A reader that has enough (`| head`) is no failure. Commands that print much end themselves then (cli/output.ts).
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

process.exitCode = await main(process.argv);
