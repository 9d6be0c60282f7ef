import { describe, expect, it } from "vitest";
import { Field, Flag, Kind } from "../../src/plugin/index.js";
import { documentOf, hasSamples, load, rowsOf, sample } from "./support.js";

/** A sample, which is pretty-printed, on one line. */
const line = (name: string) => JSON.stringify(JSON.parse(sample(`kubesphere/${name}`).toString()));

describe.skipIf(!hasSamples)("KubeSphere's audit lines", () => {
  it("with the struct's names give the same fields as kube-apiserver's", () => {
    const theirs = load(line("sample-1.struct.json")).at(0);
    const kube = load(line("sample-1.kube-apiserver-audit-line.json")).at(0);
    expect(theirs.flags() & Flag.kubesphere).toBe(Flag.kubesphere);
    expect(kube.flags()).toBe(0);
    for (let field = Field.kind; field <= Field.annotations; field++) {
      // Go writes null and "" where kube-apiserver leaves out.
      const absent = [undefined, "null", ""].includes(kube.text(field));
      if (absent) expect([undefined, "null", ""]).toContain(theirs.text(field));
      else if (field !== Field.objectRef) expect([field, theirs.text(field)]).toEqual([field, kube.text(field)]);
    }
    expect(theirs.text(Field.objectRefApiVersion)).toBe("v1");
    expect(theirs.text(Field.objectRefApiGroup)).toBe("");
    expect(theirs.text(Field.workspace)).toBe("dev");
    expect(theirs.text(Field.message)).toBe("");
    expect(theirs.timeMs()).toBeCloseTo(Date.UTC(2024, 4, 1, 2, 3, 4) + 345.678, 3);
  });

  it("as its own archive printed them keep bodies as text", () => {
    const batch = load(
      `${line("sample-1.archived-stdout.json")}\n${line("sample-3.nonresource.archived-stdout.json")}\n`,
    );
    expect(rowsOf(batch)).toEqual(["event", "event"]);
    const view = batch.at(0);
    expect(view.text(Field.userUid)).toBe("u-1");
    expect(view.text(Field.userGroups)).toBe("workspace:dev,system:authenticated");
    expect(view.kind(Field.requestObject)).toBe(Kind.string);
    expect(JSON.parse(view.text(Field.requestObject)!).metadata.name).toBe("web-0");
    expect(view.text(Field.responseStatusCode)).toBe("201");
    expect(view.text(Field.message)).toBe("alice create pods 'web-0' in Namespace demo-project");
    expect(JSON.parse(documentOf(view)).auditship.workspace).toBeUndefined();
  });
});
