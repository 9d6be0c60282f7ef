import { expect, it } from "vitest";
import type { KubernetesClient } from "../../src/kubernetes/client.js";
import { createLog } from "../../src/observe/log.js";
import { Metrics } from "../../src/observe/meter.js";
import { LiveReports } from "../../src/pipeline/live-reports.js";
import { seenResource } from "../../src/pipeline/live-resource.js";

/** Reports of Rule resources to a cluster that calls `onPatch` for each status it is sent, before it answers. */
function reports(onPatch: (path: string) => void): LiveReports {
  const json = async (path: string) => onPatch(path);
  const client = async () => ({ json }) as unknown as KubernetesClient;
  const log = createLog({ level: "silent", pretty: false, to: { write() {} } });
  return new LiveReports({ cluster: { client }, node: "n", log, meter: new Metrics() });
}

const accepted = (name: string, more: object = {}) => ({
  verdicts: [
    { resource: seenResource("Rule", { metadata: { name, uid: name }, ...more }), problems: [], fellBack: false },
  ],
  selectors: [],
});

async function microtasks(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await undefined;
}

// Far more than pass between an answer and the end of the work.
it.each(Array.from({ length: 30 }, (_, n) => n))(
  "makes a report that is told %i microtasks after the last of the others was sent",
  async (n) => {
    const told: string[] = [];
    let second: Promise<void> | undefined;
    const live = reports((path) => {
      told.push(path.split("/").at(-2)!);
      second ??= microtasks(n).then(() => live.tell(accepted("second")));
    });
    await live.tell(accepted("first"));
    await second;
    expect(told).toEqual(["first", "second"]);
  },
);

it.each([{ conditions: "none" }, { conditions: [null] }, "none"])(
  "puts a status in the place of one that is not as it should be: %j",
  async (status) => {
    const told: string[] = [];
    await reports((path) => told.push(path)).tell(accepted("first", { status }));
    expect(told).toHaveLength(1);
  },
);

it("is done at once when nothing is to be told, and makes the next report", async () => {
  const told: string[] = [];
  const live = reports((path) => told.push(path));
  await live.tell({ verdicts: [], selectors: [] });
  await live.tell(accepted("first"));
  expect(told).toHaveLength(1);
});
