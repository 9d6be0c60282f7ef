import { watch } from "chokidar";

/** Milliseconds of quiet after a change before it is told: a ConfigMap swap and an editor's save are several events each. */
const SETTLE = 150;

export interface ConfigWatch {
  close(): Promise<void>;
}

/**
 * Calls `onChange` after one of `paths` (files, or directories of files) has changed, also by the swap of a ConfigMap's
 * `..data` link. Resolves when every path is being watched.
 */
export async function watchConfig(paths: readonly string[], onChange: () => void): Promise<ConfigWatch> {
  const watcher = watch([...paths], { ignoreInitial: true, depth: 3 });
  let timer: NodeJS.Timeout | undefined;
  watcher.on("all", () => {
    clearTimeout(timer);
    timer = setTimeout(onChange, SETTLE);
  });
  // A path that vanishes or cannot be watched is no reason to stop; the next change of another is still told.
  watcher.on("error", () => {});
  await new Promise<void>((ready) => watcher.once("ready", ready));
  return {
    async close() {
      clearTimeout(timer);
      await watcher.close();
    },
  };
}
