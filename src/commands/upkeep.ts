import { loadConfig } from "../config/load.js";
import { AuditshipError, type Sink } from "../plugin/index.js";
import { chooseSinks, withSink } from "./chosen-sinks.js";

/** Milliseconds that each far end has. */
const PATIENCE = 60_000;

type Print = (line: string) => void;

/** Where lines go: what was done, and what failed. */
export interface Told {
  print: Print;
  complain: Print;
}

/**
 * Sets up the far end of each sink that has something to set up, and prints what was done. False if one could not be.
 * @throws AuditshipError AUDITSHIP_USAGE if there is no sink of that name
 */
export function setUpSinks(file: string, only: string | undefined, told: Told): Promise<boolean> {
  return forEach(file, only, told, async (sink, name, signal) => {
    const done = await sink.setup?.(signal);
    for (const line of done ?? ["nothing to set up"]) told.print(`${name}: ${line}`);
  });
}

/** Prints what {@link setUpSinks} would send, and asks nobody. */
export function printSetup(file: string, only: string | undefined, told: Told): Promise<boolean> {
  return forEach(file, only, told, async (sink, name) => {
    const text = sink.preview?.();
    told.print(text === undefined ? `# ${name}: nothing to set up` : `# ${name}\n${text}`);
  });
}

/** Deletes what is older than each sink is to keep, or only says so, and prints it. False if something could not be deleted. */
export function expireSinks(file: string, only: string | undefined, dryRun: boolean, told: Told): Promise<boolean> {
  return forEach(file, only, told, async (sink, name, signal) => {
    const expiry = { dryRun, print: (line: string) => told.print(`${name}: ${line}`) };
    if (sink.expire) await sink.expire(expiry, signal);
    else expiry.print("nothing to delete");
  });
}

/** Goes on with the other sinks when one fails. */
async function forEach(
  file: string,
  only: string | undefined,
  { complain }: Told,
  work: (sink: Sink, name: string, signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const loaded = await loadConfig(file);
  let fine = true;
  for (const sink of chooseSinks(loaded, only)) {
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      await withSink(loaded, sink, signal, (made) => work(made, sink.name, signal));
    } catch (error) {
      fine = false;
      const why = error instanceof AuditshipError ? error.line() : (error as Error).message;
      complain(`${sink.name}: failed: ${why}`);
    }
  }
  return fine;
}
