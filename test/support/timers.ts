import { AsyncLocalStorage, createHook } from "node:async_hooks";

/** The timers that `work` has set and that still wait when it is over, also those that keep no process alive. */
export async function timersLeftBy(work: () => Promise<unknown>): Promise<number> {
  const inside = new AsyncLocalStorage<true>();
  const left = new Set<number>();
  const hook = createHook({
    init(id, type) {
      if (type === "Timeout" && inside.getStore()) left.add(id);
    },
    destroy(id) {
      left.delete(id);
    },
  }).enable();
  try {
    await inside.run(true, work);
    // Node.js tells of what is destroyed a turn later.
    await new Promise((resolve) => setImmediate(resolve));
    return left.size;
  } finally {
    hook.disable();
  }
}
