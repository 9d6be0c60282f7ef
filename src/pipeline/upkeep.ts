import { loadConfig } from "../config/load.js";
import type { Sink } from "../plugin/index.js";
import { chooseSinks, withSink } from "./chosen-sinks.js";

/** Milliseconds that each far end has. */
const PATIENCE = 60_000;

type Print = (line: string) => void;

/**
 * Sets up the far end of each sink that has something to set up, and prints what was done. False if one could not be.
 * @throws AuditshipError AUDITSHIP_USAGE if there is no sink of that name
 */
export function setUpSinks(file: string, only: string | undefined, print: Print): Promise<boolean> {
  return forEach(file, only, print, async (sink, name, signal) => {
    const done = await sink.setup?.(signal);
    for (const line of done ?? ["nothing to set up"]) print(`${name}: ${line}`);
  });
}

/** Prints what {@link setUpSinks} would send, and asks nobody. */
export function printSetup(file: string, only: string | undefined, print: Print): Promise<boolean> {
  return forEach(file, only, print, async (sink, name) => {
    const text = sink.preview?.();
    print(text === undefined ? `# ${name}: nothing to set up` : `# ${name}\n${text}`);
  });
}

/** Deletes what is older than each sink is to keep, or only says so, and prints it. False if something could not be deleted. */
export function expireSinks(file: string, only: string | undefined, dryRun: boolean, print: Print): Promise<boolean> {
  return forEach(file, only, print, async (sink, name, signal) => {
    const expiry = { dryRun, print: (line: string) => print(`${name}: ${line}`) };
    if (sink.expire) await sink.expire(expiry, signal);
    else expiry.print("nothing to delete");
  });
}

/** Goes on with the other sinks when one fails. */
async function forEach(
  file: string,
  only: string | undefined,
  print: Print,
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
      print(`${sink.name}: failed: ${(error as Error).message}`);
    }
  }
  return fine;
}
