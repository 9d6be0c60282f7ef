import { describe, expect, it } from "vitest";
import { hasSamples, sample } from "../event/support.js";
import { encodedForms } from "../support/canaries.js";
import { documentsOf, equalElsewhere, load, redactStage } from "./support.js";

describe.skipIf(!hasSamples)("A real API server's log at level RequestResponse", () => {
  const log = hasSamples ? sample("samples/apiserver-real/audit.jsonl.gz") : Buffer.alloc(0);
  const canaries = hasSamples ? sample("samples/apiserver-real/canaries.txt.gz").toString().trim().split("\n") : [];
  /** Most begin alike: without that beginning in a text none of them is there. Tokens are looked for by their ends, too. */
  const distinct = new Set(
    canaries.flatMap((canary) => (canary.startsWith("CANARY-") ? "CANARY-" : [canary.slice(0, 24), canary.slice(-24)])),
  );
  const forms = [...distinct].flatMap(encodedForms);

  it("holds planted secrets before redaction", () => {
    expect(canaries.length).toBeGreaterThan(600);
    expect(forms.filter((form) => log.includes(form)).length).toBeGreaterThan(distinct.size);
  });

  it("holds none of them afterwards, in plain or in base64, and is still the same log elsewhere", {
    timeout: 120_000,
  }, () => {
    const batch = load(log, 1 << 14);
    const before = documentsOf(batch).split("\n");
    redactStage({ configMaps: true }).run(batch);
    const text = documentsOf(batch);
    expect(forms.filter((form) => text.includes(form))).toEqual([]);
    // A prefix of several letters that is all that is left of one counts, too.
    expect(text).not.toMatch(/CANAR|Q0FOQV|NBTkFS|DQU5BU/);
    const after = text.split("\n");
    expect(after.length).toBe(before.length);
    const evidence = [
      "auditID",
      "stage",
      "verb",
      "stageTimestamp",
      "requestReceivedTimestamp",
      "sourceIPs",
      "userAgent",
    ];
    let changed = 0;
    for (const [index, line] of after.entries()) {
      if (line === before[index]) continue;
      changed++;
      const { auditship: _said, ...was } = JSON.parse(before[index]);
      const { auditship: _says, ...is } = JSON.parse(line);
      expect(equalElsewhere(was, is)).toBe(true);
      for (const name of evidence) expect(is[name]).toEqual(was[name]);
      expect([is.objectRef, is.user, is.responseStatus?.code]).toEqual([
        was.objectRef,
        was.user,
        was.responseStatus?.code,
      ]);
    }
    expect(changed).toBeGreaterThan(1000);
  });

  it("says for whom each certificate request is, and keeps it", () => {
    const batch = load(log, 1 << 14);
    redactStage().run(batch);
    const asked = documentsOf(batch)
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
      .filter(({ requestObject }) => requestObject?.kind === "CertificateSigningRequest");
    expect(asked.length).toBeGreaterThan(10);
    for (const { requestObject, auditship } of asked) {
      expect(requestObject.spec.request).not.toContain("hmac:");
      expect(auditship.csrSubject).toBe("O=dev,CN=jane");
    }
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
