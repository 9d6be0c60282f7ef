import type { Command } from "commander";
import { AuditshipError } from "../plugin/error.js";
import { EXIT, examples, type Finish, lines, number, positive } from "./command.js";

interface Options {
  path: string;
  rate: number;
  seconds?: number;
  events?: number;
  maxSize: string;
  maxBackups: number;
  compress?: boolean;
  seed?: number;
}

export function addSimulate(program: Command, finish: Finish): void {
  program
    .command("simulate")
    .description("Write a realistic, rotating audit log of a made-up cluster, including attacks.")
    .option("--path <file>", "the active file; its backups lie beside it", ".auditship/audit/audit.log")
    .option("--rate <n>", "events per second", positive, 50)
    .option("--seconds <n>", "stop after this many seconds", number)
    .option("--events <n>", "stop after this many events", number)
    .option("--max-size <size>", "rotate at this size, from 256KiB", "10MiB")
    .option("--max-backups <n>", "backups to keep; 0 keeps all", number, 5)
    .option("--compress", "gzip backups, as kube-apiserver does with --audit-log-compress")
    .option("--seed <n>", "repeat a run's requests", number)
    .addHelpText(
      "after",
      examples(
        ["auditship simulate", "50 events a second into .auditship/audit/audit.log, until Ctrl-C"],
        [
          "auditship simulate --path /tmp/audit.log --rate 5000 --seconds 10 --max-size 20MiB --compress",
          "a busy cluster",
        ],
        ["auditship simulate --path /tmp/audit.log --events 1000 --seed 7", "the same requests each time"],
      ),
    )
    .action(async (options: Options) => {
      const { randomSeed, simulate } = await import("../simulate/index.js");
      const maxSize = await sizeOf(options.maxSize);
      const { seed = randomSeed() } = options;
      const stop = new AbortController();
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
      // Started by quickstart: end with it, but do not wait for it. It may have gone while this process still loaded.
      process.once("disconnect", () => stop.abort());
      if (process.connected === false) stop.abort();
      process.channel?.unref();
      lines.complain(`writing to ${options.path}, seed ${seed}`);
      const { events, bytes, files } = await simulate({ ...options, maxSize, seed, signal: stop.signal }).catch(
        (cause: Error) => {
          const message = `the log cannot be written: ${cause.message}.`;
          throw new AuditshipError("AUDITSHIP_OUTPUT", message, { file: options.path }, { cause });
        },
      );
      lines.complain(`wrote ${events} events, ${bytes} bytes, into ${files} file${files === 1 ? "" : "s"}`);
      finish(EXIT.fine);
    });
}

/** Bytes that a file must have room for: an event that is longer than a file would never be written. */
const LEAST_SIZE = 256 * 1024;

async function sizeOf(text: string): Promise<number> {
  const { size } = await import("../plugin/units.js");
  const { success, data } = size().safeParse(text);
  if (success && data >= LEAST_SIZE) return data;
  throw new AuditshipError("AUDITSHIP_USAGE", `--max-size ${text}: it must be a size such as 10MiB, from 256KiB.`);
}
