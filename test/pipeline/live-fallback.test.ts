import fc from "fast-check";
import { expect, it } from "vitest";
import type { Cluster } from "../../src/kubernetes/cluster.js";
import { LiveRules } from "../../src/pipeline/live-rules.js";
import type { KubernetesObject, Watched, WatchOptions } from "../../src/plugin/index.js";
import { timersLeftBy } from "../support/timers.js";

const OPTIONS = { paths: [], archivingPriority: "DEBUG", alertingPriority: "WARNING" };

/** Version `n` of a resource: one rule of that number, and one with an error in bad ones. */
interface Version {
  n: number;
  bad: boolean;
}

/** A cluster whose Rule resources are set by hand. */
function cluster() {
  let put!: (name: string, version: Version | undefined) => void;
  const watch = async <Item>({ path, pick }: WatchOptions<Item>): Promise<Watched<Item>> => {
    const items = new Map<string, Item>();
    if (path.endsWith("/rules")) {
      put = (name, version) => {
        if (version) items.set(name, pick(resource(name, version)));
        else items.delete(name);
      };
    }
    return { items, onChange: () => {}, synced: Promise.resolve(), close: () => {} };
  };
  return { cluster: { watch } as Pick<Cluster, "watch">, put: (...change: Parameters<typeof put>) => put(...change) };
}

function resource(name: string, { n, bad }: Version): KubernetesObject {
  const item = (rule: string, condition: string) => ({ name: rule, type: "rule", condition, enable: true });
  const rules = [item(`${name}${n}`, "Verb exists"), ...(bad ? [item("Bad", "Verb (")] : [])];
  return { metadata: { name, namespace: "n", labels: { type: "alerting" } }, spec: { rules } } as KubernetesObject;
}

it("starts without a timer left behind when the first lists come in time", async () => {
  expect(await timersLeftBy(() => LiveRules.open(cluster().cluster, ["n"]))).toBe(0);
});

const change = fc.record({ name: fc.constantFrom("a", "b", "c"), what: fc.constantFrom("good", "bad", "gone") });

it("of each resource the last version without an error is in force, or what is right of one that never had such a version", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(change, { minLength: 1, maxLength: 3 }), { maxLength: 8 }), async (steps) => {
      const { cluster: watched, put } = cluster();
      const live = await LiveRules.open(watched, ["n"]);
      const seen = new Map<string, Version>();
      const good = new Map<string, Version>();
      let n = 0;
      for (const step of steps) {
        for (const { name, what } of step) {
          const version = what === "gone" ? undefined : { n: n++, bad: what === "bad" };
          put(name, version);
          if (version) seen.set(name, version);
          else seen.delete(name);
        }
        const read = await live.load(OPTIONS);
        live.accept(read.verdicts);
        for (const name of ["a", "b", "c"]) {
          const version = seen.get(name);
          if (!version) good.delete(name);
          else if (!version.bad) good.set(name, version);
        }
        const expected = [...seen.keys()].sort().map((name) => `${name}${(good.get(name) ?? seen.get(name))?.n}`);
        expect(read.running.map(({ info }) => info.name)).toEqual(expected);
        const told = read.verdicts.map(({ resource, problems, fellBack }) => [
          resource.metadata.name,
          problems.length,
          fellBack,
        ]);
        const verdicts = [...seen].map(([name, { bad }]) => [name, bad ? 1 : 0, bad && good.has(name)]);
        expect(told).toEqual(verdicts.sort());
      }
      live.close();
    }),
    { numRuns: 60 },
  );
});
