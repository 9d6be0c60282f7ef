import { afterEach, describe, expect, it, vi } from "vitest";
import { FoldingRunner } from "../../src/delivery/folding.js";
import { Ledger } from "../../src/delivery/ledger.js";
import { createSelect } from "../../src/delivery/select.js";
import { type FoldingSink, type Selection, type SinkState, stop } from "../../src/plugin/index.js";
import { auditLine, batchOf } from "../support/batches.js";
import { quietHost } from "../support/far-end.js";

/** Keeps how many events each fold had; its state is how many folds. */
class Shelf implements FoldingSink {
  readonly mode = "fold";
  kept: number[] = [];
  restored: (SinkState | undefined)[] = [];
  reachable = true;

  restore(state: SinkState | undefined): void {
    this.restored.push(state);
    this.kept.length = (state?.length as number | undefined) ?? this.kept.length;
  }

  async fold(events: Selection): Promise<void> {
    this.kept.push(events.count);
  }

  state(): SinkState {
    return { length: this.kept.length };
  }

  async flush(): Promise<void> {}

  async probe(): Promise<void> {
    if (!this.reachable) throw new Error("no space left");
  }
}

let runner: FoldingRunner | undefined;
afterEach(() => runner?.close());

function run(sink: FoldingSink, select = "all", stallAfter = 30) {
  runner = new FoldingRunner(sink, quietHost("local"), {
    request: { maxBytes: 1, maxEvents: 1, maxWait: 1 },
    retry: { initial: 1, max: 2, slow: 2 },
    concurrency: 1,
    memory: 32 << 20,
    compression: "none",
    stallAfter,
    select: createSelect(select, () => () => false),
  });
  const ledger = new Ledger();
  runner.addLedger(ledger);
  return { runner, ledger };
}

describe("a sink that folds", () => {
  it("leaves no timer of its patience behind: with many batches a second there would be thousands", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const { runner, ledger } = run(new Shelf(), "all", 60_000);
      for (const offset of [0, 1000, 2000]) await runner.offer(batchOf([auditLine(0)], offset), ledger, true);
      await runner.snapshot(() => undefined);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it("parks at once for what only an operator can mend, says so, and comes back without a rest", async () => {
    const shelf = new Shelf();
    const full = Object.assign(new Error("no space left"), { slow: true });
    let asked: () => void;
    const probed = new Promise<void>((resolve) => {
      asked = resolve;
    });
    shelf.reachable = false;
    shelf.probe = async () => {
      asked();
      if (!shelf.reachable) throw full;
    };
    shelf.fold = async () => {
      throw full;
    };
    const { runner, ledger } = run(shelf, "all", 60_000);
    const ready = new Promise<void>((resolve) => {
      runner.onReady = resolve;
    });
    expect(await runner.offer(batchOf([auditLine(1)]), ledger, true)).toBe(false);
    await probed;
    expect([runner.state, runner.stuck]).toEqual(["parked", "no space left"]);
    shelf.reachable = true;
    await ready;
    expect([runner.state, runner.stuck]).toEqual(["catching-up", undefined]);
  });

  it("acknowledges a batch when the fold is done", async () => {
    const shelf = new Shelf();
    shelf.fold = async (events) => {
      shelf.kept.push(events.count);
    };
    const { runner, ledger } = run(shelf);
    const given = batchOf([auditLine(1), auditLine(2)]);
    expect(await runner.offer(given, ledger, true)).toBe(true);
    expect(shelf.kept).toEqual([2]);
    expect(ledger.cursor).toEqual(given.end);
  });

  it("moves its cursor over batches of which it selects nothing, without a fold", async () => {
    const shelf = new Shelf();
    shelf.fold = () => {
      throw new Error("must not be called");
    };
    const { runner, ledger } = run(shelf, "alerting");
    const given = batchOf([auditLine(1)]);
    await runner.offer(given, ledger, true);
    expect(ledger.cursor).toEqual(given.end);
  });

  it("snapshots state and cursors of one moment, between two folds", async () => {
    const shelf = new Shelf();
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    shelf.fold = async (events) => {
      const { count } = events;
      await gate;
      for (let i = 0; i < count; i++) shelf.kept.push(i);
    };
    const { runner, ledger } = run(shelf);
    const given = batchOf([auditLine(1), auditLine(2)]);
    const offered = runner.offer(given, ledger, true);
    const snapshot = runner.snapshot(() => ledger.stored()?.offset);
    open();
    await offered;
    const { cursors, state } = (await snapshot)!;
    expect([cursors, state]).toEqual([given.end.offset, { length: 2 }]);
  });

  it("has no snapshot while a fold hangs, for others wait for it, and one as soon as it is over", async () => {
    const shelf = new Shelf();
    let open = () => {};
    shelf.fold = () =>
      new Promise((resolve) => {
        open = resolve;
      });
    const { runner, ledger } = run(shelf);
    const given = batchOf([auditLine(1)]);
    const offered = runner.offer(given, ledger, true);
    expect(await runner.snapshot(() => 7)).toBeUndefined();
    open();
    await offered;
    expect(await runner.snapshot(() => ledger.stored()?.offset)).toMatchObject({ cursors: given.end.offset });
  });

  it("stops for good when a fold says so, and nothing of it counts", async () => {
    const shelf = new Shelf();
    shelf.fold = async () => stop("it is closed") as never;
    const { runner, ledger } = run(shelf);
    const told: string[] = [];
    runner.onStopped = (reason) => void told.push(reason);
    expect(await runner.offer(batchOf([auditLine(1)]), ledger, true)).toBe(false);
    expect([runner.state, told, ledger.cursor]).toEqual(["stopped", ["it is closed"], undefined]);
  });

  it("tries a fold that failed again, and gives nothing twice", async () => {
    const shelf = new Shelf();
    let failures = 2;
    shelf.fold = async (events) => {
      const { count } = events;
      if (failures-- > 0) throw new Error("no space left");
      shelf.kept.push(count);
    };
    const { runner, ledger } = run(shelf, "all", 5000);
    const given = batchOf([auditLine(1), auditLine(2)]);
    expect(await runner.offer(given, ledger, true)).toBe(true);
    expect(shelf.kept).toEqual([2]);
    expect(ledger.cursor).toEqual(given.end);
  });

  it("parks when it keeps failing, and is restored to its own state before it goes on", async () => {
    const shelf = new Shelf();
    shelf.reachable = false;
    shelf.fold = async () => {
      if (!shelf.reachable) throw new Error("no space left");
      shelf.kept.push(1);
    };
    const { runner, ledger } = run(shelf);
    const given = batchOf([auditLine(1)]);
    expect(await runner.offer(given, ledger, true)).toBe(false);
    const ready = new Promise<void>((resolve) => {
      runner.onReady = resolve;
    });
    runner.park("no space left");
    shelf.reachable = true;
    await ready;
    expect(shelf.restored).toEqual([{ length: 0 }]);
    expect(await runner.offer(given, ledger, true)).toBe(true);
    expect(shelf.kept).toEqual([1]);
  });

  it.each([
    ["closed", (runner: FoldingRunner) => runner.close()],
    ["to finish", (runner: FoldingRunner) => void runner.finish()],
  ])("that is %s while its far end is asked does not come back: another may have its place", async (_, end) => {
    const shelf = new Shelf();
    let answer = () => {};
    let asked = () => {};
    const probed = new Promise<void>((resolve) => {
      asked = resolve;
    });
    shelf.probe = () =>
      new Promise((resolve) => {
        answer = resolve;
        asked();
      });
    const { runner } = run(shelf);
    let isReady = false;
    runner.onReady = () => {
      isReady = true;
    };
    runner.park("no space left");
    await probed;
    end(runner);
    answer();
    await new Promise((resolve) => setImmediate(resolve));
    expect(shelf.restored).toEqual([]);
    expect(isReady).toBe(false);
  });

  it("starts parked if it cannot take its stored state back, keeps that state, and tries on", async () => {
    const shelf = new Shelf();
    let openable = false;
    const restore = shelf.restore.bind(shelf);
    shelf.restore = (state) => {
      if (!openable) throw new Error("permission denied");
      restore(state);
    };
    const { runner, ledger } = run(shelf);
    const resumed: string[] = [];
    runner.onResumed = async () => void resumed.push(runner.state);
    const ready = new Promise<void>((resolve) => {
      runner.onReady = resolve;
    });
    await runner.begin({ length: 3 });
    expect([runner.state, runner.failing]).toEqual(["parked", "permission denied"]);
    expect(await runner.offer(batchOf([auditLine(1)]), ledger, true)).toBe(false);
    expect((await runner.snapshot(() => 7))?.state).toEqual({ length: 3 });
    openable = true;
    await ready;
    expect(shelf.restored).toEqual([{ length: 3 }]);
    expect(resumed).toEqual(["parked"]);
    expect(runner.taking).toBe(true);
  });

  it("leaves its lane when a fold hangs, and has what it folded late", async () => {
    const shelf = new Shelf();
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    shelf.fold = async (events) => {
      const { count } = events;
      await gate;
      shelf.kept.push(count);
    };
    const { runner, ledger } = run(shelf, "all", 5);
    const given = batchOf([auditLine(1)]);
    expect(await runner.offer(given, ledger, false)).toBe(false);
    const ready = new Promise<void>((resolve) => {
      runner.onReady = resolve;
    });
    runner.park("too long");
    open();
    await ready;
    expect(ledger.cursor).toEqual(given.end);
    expect(shelf.kept).toEqual([1]);
  });
});
