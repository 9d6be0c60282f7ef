#!/usr/bin/env node
import { endUnprinted } from "./cli/command.js";
import { main } from "./cli/index.js";

// Commands that print much end themselves when a reader has enough (cli/output.ts). Complaints that nobody takes stop nobody.
process.stdout.on("error", endUnprinted);
process.stderr.on("error", () => {});

process.exitCode = await main(process.argv);
