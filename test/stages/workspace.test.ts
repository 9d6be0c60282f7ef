import { describe, expect, it } from "vitest";
import { z } from "zod";
import workspace, { WorkspaceStage } from "../../plugins/stages/workspace.js";
import { EventBatch } from "../../src/event/index.js";
import { Flag, type KubernetesObject, type Watched, type WatchOptions } from "../../src/plugin/index.js";
import { timersLeftBy } from "../support/timers.js";
import { withWebAssembly } from "../support/web-assembly.js";
import { FILE, load, loadEvents, stageHost } from "./support.js";

const of = (namespace?: string, more: object = {}) => ({ objectRef: { resource: "pods", namespace, ...more } });
const stage = (options: object, host = stageHost()) => workspace.create(workspace.options(z).parse(options), host);

const facts = (workspace: string, devops = "", since = 0) => ({ workspace, devops, since });

function workspacesOf(batch: ReturnType<typeof load>): unknown[] {
  return Array.from({ length: batch.count }, (_, row) => batch.annotation(row, "workspace"));
}

describe("workspace", () => {
  it("annotates events with the workspace of their namespace and counts unknown ones", async () => {
    const host = stageHost();
    const batch = loadEvents(of("shop"), of("other"), of("shop"), of(), {}, of(""));
    await (await stage({ static: { shop: "team-a" } }, host)).run(batch);
    expect(workspacesOf(batch)).toEqual(["team-a", undefined, "team-a", undefined, undefined, undefined]);
    expect([...host.counts]).toEqual([["auditship_unknown_workspaces_total apiserver", 1]]);
  });
  it("takes a namespace's own name if the event is about the namespace", async () => {
    const batch = loadEvents(
      of(undefined, { resource: "namespaces", name: "shop" }),
      of("x", { resource: "namespaces" }),
    );
    await (await stage({ static: { shop: "team-a", x: "no" } })).run(batch);
    expect(workspacesOf(batch)).toEqual(["team-a", undefined]);
  });
  it("does nothing and counts nothing without a map", async () => {
    const host = stageHost();
    const batch = loadEvents(of("shop"));
    await (await stage({}, host)).run(batch);
    expect(workspacesOf(batch)).toEqual([undefined]);
    expect(host.counts.size).toBe(0);
  });
  it("knows nothing of namespaces that are named as properties of every object are", async () => {
    const batch = loadEvents(of("constructor"), of("__proto__"));
    await (await stage({ static: { shop: "team-a" } })).run(batch);
    expect(workspacesOf(batch)).toEqual([undefined, undefined]);
  });
  it("leaves invalid and dropped rows alone", async () => {
    const batch = load(`no event\n${JSON.stringify(of("shop"))}\n`);
    batch.setFlags(1, Flag.dropped);
    await (await stage({ static: { shop: "team-a" } })).run(batch);
    expect(workspacesOf(batch)).toEqual([undefined, undefined]);
  });
  it("asks a live source again for every event, so that a namespace may move", () => {
    let current: string | undefined = "team-a";
    const live = new WorkspaceStage(() => (current === undefined ? undefined : facts(current)), stageHost());
    for (const expected of ["team-a", "team-b", undefined]) {
      current = expected;
      const batch = loadEvents(of("shop"));
      live.run(batch);
      expect(workspacesOf(batch)).toEqual([expected]);
    }
  });
});

describe("workspace that watches the API server", () => {
  const START = Date.UTC(2026, 0, 1);
  const MINUTE = 60_000;
  let now: number;
  let watched: Watched<unknown> & { put(name: string, labels: object, created?: number): void };
  let asked: WatchOptions<unknown>;

  const open = async (options: object = {}) => {
    now = START;
    const host = stageHost({
      now: () => now,
      async watch<Item>(watch: WatchOptions<Item>) {
        asked = watch as WatchOptions<unknown>;
        const result = {
          items: new Map<string, Item>(),
          onChange: (_key: string, _item: Item | undefined) => {},
          synced: Promise.resolve(),
          close() {},
          put(name: string, labels: Record<string, string>, created = now) {
            const creationTimestamp = new Date(created).toISOString();
            const object: KubernetesObject = { metadata: { name, labels, creationTimestamp } };
            result.onChange(name, watch.pick(object));
          },
        };
        watched = result as never;
        return result;
      },
    });
    return { stage: await stage({ watch: true, ...options }, host), host };
  };

  /** What an event of a namespace is annotated with. */
  async function seen({ stage }: Awaited<ReturnType<typeof open>>, namespace: string, time = now) {
    const batch = loadEvents({ ...of(namespace), stageTimestamp: new Date(time).toISOString() });
    await stage.run(batch);
    return ["workspace", "devops", "workspaceSince"].map((name) => batch.annotation(0, name));
  }

  const LABELS = { "kubesphere.io/workspace": "team-a", "kubesphere.io/devopsproject": "ci" };

  it("asks for the metadata of namespaces, and takes workspace and DevOps project from their labels", async () => {
    const opened = await open();
    expect(asked).toMatchObject({ path: "/api/v1/namespaces", metadataOnly: true });
    watched.put("shop", LABELS);
    watched.put("other", {});
    expect(await seen(opened, "shop")).toEqual(["team-a", "ci", undefined]);
    expect(await seen(opened, "other")).toEqual([undefined, undefined, undefined]);
    expect([...opened.host.counts]).toEqual([]);
    await seen(opened, "unheard-of");
    expect([...opened.host.counts]).toEqual([["auditship_unknown_workspaces_total apiserver", 1]]);
  });

  it("starts without a timer left behind when the first list comes in time", async () => {
    expect(await timersLeftBy(() => open())).toBe(0);
  });

  it("takes the labels that it is told, and puts a static map before them", async () => {
    const opened = await open({ label: "team", devopsLabel: "project", static: { mine: "fixed" } });
    watched.put("shop", { team: "x", project: "y" });
    watched.put("mine", { team: "x" });
    expect(await seen(opened, "shop")).toEqual(["x", "y", undefined]);
    expect(await seen(opened, "mine")).toEqual(["fixed", undefined, undefined]);
  });

  it("says since when it has known, for events that are older", async () => {
    const opened = await open();
    watched.put("shop", LABELS, START - 60 * MINUTE);
    const since = new Date(START).toISOString();
    expect(await seen(opened, "shop", START - 1)).toEqual(["team-a", "ci", since]);
    expect(await seen(opened, "shop", START)).toEqual(["team-a", "ci", undefined]);
  });

  it("follows a namespace from one workspace to another", async () => {
    const opened = await open();
    watched.put("shop", LABELS, START);
    now += MINUTE;
    watched.put("shop", { ...LABELS, "kubesphere.io/workspace": "team-b" }, START);
    expect(await seen(opened, "shop", START)).toEqual(["team-b", "ci", new Date(now).toISOString()]);
    expect(await seen(opened, "shop")).toEqual(["team-b", "ci", undefined]);
  });

  it("has no doubts about a namespace created while it watches, even under an old name", async () => {
    const opened = await open();
    watched.put("shop", LABELS, START - MINUTE);
    watched.onChange("shop", undefined);
    now += 10 * MINUTE;
    watched.put("shop", { "kubesphere.io/workspace": "team-b" }, now - 500);
    expect(await seen(opened, "shop", now - 400)).toEqual(["team-b", undefined, undefined]);
  });

  it("remembers a deleted namespace for an hour", async () => {
    const opened = await open();
    watched.put("shop", LABELS);
    watched.onChange("shop", undefined);
    now += 59 * MINUTE;
    watched.onChange("other", undefined);
    expect((await seen(opened, "shop"))[0]).toBe("team-a");
    now += 2 * MINUTE;
    watched.onChange("another", undefined);
    expect((await seen(opened, "shop"))[0]).toBeUndefined();
  });

  it("leaves events alone that name their workspace themselves", async () => {
    const opened = await open();
    watched.put("shop", LABELS);
    const batch = loadEvents({ AuditID: "1", Workspace: "own", ObjectRef: { Namespace: "shop" } });
    await opened.stage.run(batch);
    expect(batch.annotation(0, "workspace")).toBeUndefined();
  });
});

describe("workspace, with WebAssembly", () => {
  withWebAssembly();

  it("stays right if names have numbers, and if those start over", () => {
    const live = new WorkspaceStage((namespace) => facts(`of ${namespace}`), stageHost());
    const batch = new EventBatch({
      capacity: 1 << 20,
      maxRows: 3000,
      documents: { cluster: "", node: "", labels: {} },
    });
    const numberings = new Set<object>();
    for (let start = 0; start < 9000; start += 3000) {
      const names = Array.from({ length: 3000 }, (_, i) => `ns-${(start + i) % 5000}`);
      const length = batch.buffer.write(names.map((name) => `${JSON.stringify(of(name))}\n`).join(""));
      batch.load({ bytes: batch.buffer, length, file: FILE, offset: 0 }, "apiserver");
      numberings.add(batch.numbering);
      live.run(batch);
      expect(workspacesOf(batch)).toEqual(names.map((name) => `of ${name}`));
    }
    expect(numberings.size).toBeGreaterThan(1);
  });
});
