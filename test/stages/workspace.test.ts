import { describe, expect, it } from "vitest";
import { z } from "zod";
import workspace, { WorkspaceStage } from "../../plugins/stages/workspace.js";
import { Flag, type Stage } from "../../src/plugin/index.js";
import { load, loadEvents, stageHost } from "./support.js";

const of = (namespace?: string, more: object = {}) => ({ objectRef: { resource: "pods", namespace, ...more } });
const stage = (options: object, host = stageHost()) =>
  workspace.create(workspace.options(z).parse(options), host) as Stage;

function workspacesOf(batch: ReturnType<typeof load>): unknown[] {
  return Array.from({ length: batch.count }, (_, row) => batch.annotation(row, "workspace"));
}

describe("workspace", () => {
  it("annotates events with the workspace of their namespace and counts unknown ones", async () => {
    const host = stageHost();
    const batch = loadEvents(of("shop"), of("other"), of("shop"), of(), {}, of(""));
    await stage({ static: { shop: "team-a" } }, host).run(batch);
    expect(workspacesOf(batch)).toEqual(["team-a", undefined, "team-a", undefined, undefined, undefined]);
    expect([...host.counts]).toEqual([["auditship_unknown_workspaces_total apiserver", 1]]);
  });
  it("takes a namespace's own name where the event is about the namespace", async () => {
    const batch = loadEvents(
      of(undefined, { resource: "namespaces", name: "shop" }),
      of("x", { resource: "namespaces" }),
    );
    await stage({ static: { shop: "team-a", x: "no" } }).run(batch);
    expect(workspacesOf(batch)).toEqual(["team-a", undefined]);
  });
  it("does nothing and counts nothing without a map", async () => {
    const host = stageHost();
    const batch = loadEvents(of("shop"));
    await stage({}, host).run(batch);
    expect(workspacesOf(batch)).toEqual([undefined]);
    expect(host.counts.size).toBe(0);
  });
  it("knows nothing of namespaces that are named as properties of every object are", async () => {
    const batch = loadEvents(of("constructor"), of("__proto__"));
    await stage({ static: { shop: "team-a" } }).run(batch);
    expect(workspacesOf(batch)).toEqual([undefined, undefined]);
  });
  it("leaves invalid and dropped rows alone", async () => {
    const batch = load(`no event\n${JSON.stringify(of("shop"))}\n`);
    batch.setFlags(1, Flag.dropped);
    await stage({ static: { shop: "team-a" } }).run(batch);
    expect(workspacesOf(batch)).toEqual([undefined, undefined]);
  });
  it("asks a live source again for every event, so that a namespace may move", () => {
    let current: string | undefined = "team-a";
    const live = new WorkspaceStage(() => current, stageHost());
    for (const expected of ["team-a", "team-b", undefined]) {
      current = expected;
      const batch = loadEvents(of("shop"));
      live.run(batch);
      expect(workspacesOf(batch)).toEqual([expected]);
    }
  });
  it("stays right with more namespaces than it keeps decoded", () => {
    const live = new WorkspaceStage((namespace) => `of ${namespace}`, stageHost());
    const names = Array.from({ length: 10_000 }, (_, i) => `ns-${i % 6000}`);
    const batch = loadEvents(...names.map((name) => of(name)));
    live.run(batch);
    expect(workspacesOf(batch)).toEqual(names.map((name) => `of ${name}`));
  });
});
