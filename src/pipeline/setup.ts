import { loadConfig } from "../config/load.js";
import { chooseSinks, withSink } from "./chosen-sinks.js";

/** Milliseconds that each far end has for its setup. */
const PATIENCE = 60_000;

/**
 * Sets up the far end of each sink that has something to set up, and prints what was done. False if one could not be.
 * @throws AuditshipError AUDITSHIP_USAGE if there is no sink of that name
 */
export async function setUpSinks(
  file: string,
  only: string | undefined,
  print: (line: string) => void,
): Promise<boolean> {
  const loaded = await loadConfig(file);
  let fine = true;
  for (const sink of chooseSinks(loaded, only)) {
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      const done = await withSink(loaded, sink, signal, async (made) => made.setup?.(signal));
      for (const line of done ?? ["nothing to set up"]) print(`${sink.name}: ${line}`);
    } catch (error) {
      fine = false;
      print(`${sink.name}: failed: ${(error as Error).message}`);
    }
  }
  return fine;
}
