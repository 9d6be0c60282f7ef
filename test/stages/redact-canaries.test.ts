import { describe, expect, it } from "vitest";
import { hasSamples, sample } from "../event/support.js";
import { documentsOf, equalElsewhere, load, redactStage } from "./support.js";

/** A text as it stands in base64 at each of the three places in a group of three bytes, without what depends on its neighbours. */
function base64Forms(text: string): string[] {
  return [0, 1, 2].map((lead) => {
    const encoded = Buffer.from("\0".repeat(lead) + text).toString("base64");
    const end = Math.floor(((lead + Buffer.byteLength(text)) * 8) / 6);
    return encoded.slice(Math.ceil((lead * 8) / 6), end);
  });
}

describe.skipIf(!hasSamples)("A real API server's log at level RequestResponse", () => {
  const log = hasSamples ? sample("samples/apiserver-real/audit.jsonl.gz") : Buffer.alloc(0);
  const canaries = hasSamples ? sample("samples/apiserver-real/canaries.txt.gz").toString().trim().split("\n") : [];
  /** Most begin alike: without that beginning in a text none of them is there. */
  const distinct = [...new Set(canaries.map((canary) => (canary.startsWith("CANARY-") ? "CANARY-" : canary)))];
  const forms = distinct.flatMap((canary) => [canary, ...base64Forms(canary)]);

  it("holds planted secrets before redaction", () => {
    expect(canaries.length).toBeGreaterThan(600);
    expect(forms.filter((form) => log.includes(form)).length).toBeGreaterThan(distinct.length);
  });

  it("holds none of them afterwards, in plain or in base64, and is still the same log elsewhere", () => {
    const batch = load(log, 1 << 14);
    const before = documentsOf(batch).split("\n");
    redactStage({ configMaps: true }).run(batch);
    const text = documentsOf(batch);
    expect(forms.filter((form) => text.includes(form))).toEqual([]);
    const after = text.split("\n");
    expect(after.length).toBe(before.length);
    let changed = 0;
    for (const [index, line] of after.entries()) {
      if (line === before[index]) continue;
      changed++;
      const { auditship: _said, ...was } = JSON.parse(before[index]);
      const { auditship: _says, ...is } = JSON.parse(line);
      expect(equalElsewhere(was, is)).toBe(true);
    }
    expect(changed).toBeGreaterThan(1000);
  });

  it("gives the same documents whether bodies are searched first or all walked", () => {
    const [searched, walked] = [true, false].map((searchFirst) => {
      const batch = load(log, 1 << 14);
      redactStage({ searchFirst }).run(batch);
      return documentsOf(batch);
    });
    expect(searched === walked).toBe(true);
  });
});
