import { setTimeout as sleep } from "node:timers/promises";
import type { Scenario } from "../scenario.js";
import type { Site } from "../site.js";

/** The same each time for one seed (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) % below;
  };
}

/** Writes, rotates and compresses until it is told to stop. */
async function load(site: Site, perSecond: number, signal: AbortSignal): Promise<void> {
  const log = site.writer({ maxSize: 400_000 });
  let mill: Promise<void> = Promise.resolve();
  log.onRotated = (file) => {
    mill = mill.then(() => log.compressBeside(file));
  };
  while (!signal.aborted) await log.writeAtRate(perSecond / 20, perSecond);
  await mill;
}

/** Kills the agent so often, each time at a random moment from the start of its process on. */
async function kills(site: Site, count: number, perSecond: number): Promise<void> {
  const seed = Number(process.env.AUDITSHIP_FAULTS_SEED ?? Math.floor(Math.random() * 2 ** 31));
  const next = random(seed);
  const stop = new AbortController();
  const loading = load(site, perSecond, stop.signal);
  try {
    for (let i = 0; i < count; i++) {
      site.launch();
      await sleep(100 + next(1500));
      await site.killAtOnce();
    }
  } finally {
    stop.abort();
    await loading;
  }
  await site.start();
  await site.settled().catch((error: Error) => {
    throw new Error(`seed ${seed}: ${error.message}`);
  });
}

/** kill -9 at any instant. */
export const killing: Scenario[] = [
  {
    name: "24 kill -9 at 200 random moments under load",
    timeout: 900_000,
    run: (site) => kills(site, 200, 600).then(() => undefined),
  },
  {
    name: "24 kill -9 at 5 random moments under load",
    run: (site) => kills(site, 5, 600).then(() => undefined),
  },
  {
    name: "24 kill -9 right after each of 30 answers",
    timeout: 180_000,
    async run(site) {
      const log = site.writer();
      log.write(3000);
      for (let i = 1; i <= 30; i++) {
        const answered = new Promise<void>((resolve) => {
          site.receiver.script = () => {
            resolve();
            return i % 2 === 0 ? { do: "store" } : { do: "never", stored: true };
          };
        });
        site.launch();
        await answered;
        await site.killAtOnce();
      }
      site.receiver.accept();
      await site.start();
    },
  },
];
