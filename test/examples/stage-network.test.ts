import { describe, expect, it } from "vitest";
import type { StageHost } from "../../src/plugin/index.js";
import { batchOf, hostOf, loadExample, optionsOf } from "./support.js";

const from = (...sourceIPs: string[]) => ({ kind: "Event", verb: "get", sourceIPs });

async function networks(options: object, ...lines: (object | string)[]) {
  const plugin = await loadExample("stage", "./stage-network/network.mjs");
  const stage = await plugin.create(optionsOf(plugin, options), hostOf() as StageHost);
  const batch = batchOf(...lines);
  await stage.run(batch);
  return lines.map((_, row) => batch.annotation(row, "network"));
}

describe("the example stage that a configuration loads by its path", () => {
  it("tells internal from external addresses, IPv4 and IPv6", async () => {
    const lines = [from("10.1.2.3"), from("203.0.113.7"), from("fd00::1"), from("2001:db8::1")];
    expect(await networks({}, ...lines)).toEqual(["internal", "external", "internal", "external"]);
  });

  it("trusts the last address, which kube-apiserver saw, and none that a header claims", async () => {
    expect(await networks({}, from("10.1.2.3", "203.0.113.7"))).toEqual(["external"]);
  });

  it("takes the networks from its options", async () => {
    expect(await networks({ internal: ["203.0.113.0/24"] }, from("203.0.113.7"), from("10.1.2.3"))).toEqual([
      "internal",
      "external",
    ]);
  });

  it("leaves alone what has no readable address, and lines that are no event", async () => {
    const lines = [{ kind: "Event" }, from(), from("not an address"), { sourceIPs: "10.0.0.1" }, "{broken"];
    expect(await networks({}, ...lines)).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });

  it("names what it adds, and the document carries it", async () => {
    const plugin = await loadExample("stage", "./stage-network/network.mjs");
    const stage = await plugin.create(optionsOf(plugin, {}), hostOf() as StageHost);
    const batch = batchOf(from("10.1.2.3"));
    await stage.run(batch);
    const { ByteWriter } = await import("../../src/plugin/index.js");
    const out = new ByteWriter();
    batch.at(0).writeDocument(out);
    expect(plugin.annotates).toEqual(["network"]);
    expect(JSON.parse(Buffer.from(out.view()).toString()).auditship).toMatchObject({ network: "internal" });
  });

  it("refuses what is no network", async () => {
    const plugin = await loadExample("stage", "./stage-network/network.mjs");
    for (const wrong of ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/8/8", "fd00::/129", "everywhere/8", "10.0.0.0/"]) {
      expect(() => optionsOf(plugin, { internal: [wrong] }), wrong).toThrow(/expected a network such as/);
    }
  });
});
