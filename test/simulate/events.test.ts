import { describe, expect, it } from "vitest";
import { type EventOptions, events } from "../../src/simulate/index.js";

interface AuditEvent {
  level: string;
  stage: string;
  auditID: string;
  verb: string;
  user: { username?: string };
  objectRef?: { resource: string; subresource?: string };
  responseStatus?: { code: number };
  requestObject?: unknown;
  responseObject?: unknown;
  requestReceivedTimestamp: string;
  stageTimestamp: string;
}

function take(count: number, seed = 1, options: EventOptions = {}): string[] {
  const lines = events(seed, options);
  return Array.from({ length: count }, () => lines.next().value);
}

const parse = (lines: string[]) => lines.map((line) => JSON.parse(line) as AuditEvent);

describe("the simulated events", () => {
  it("are the same for the same seed, and others for another", () => {
    expect(take(500, 42)).toEqual(take(500, 42));
    expect(take(500, 42)).not.toEqual(take(500, 43));
  });

  it("hold every stage and every level that a log can hold", () => {
    const all = parse(take(12_000));
    expect(new Set(all.map((event) => event.stage))).toEqual(
      new Set(["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"]),
    );
    expect(new Set(all.map((event) => event.level))).toEqual(new Set(["Metadata", "Request", "RequestResponse"]));
  });

  it("write their members in the order in which Go writes audit.k8s.io/v1", () => {
    const order = [
      "kind",
      "apiVersion",
      "level",
      "auditID",
      "stage",
      "requestURI",
      "verb",
      "user",
      "impersonatedUser",
      "sourceIPs",
      "userAgent",
      "objectRef",
      "responseStatus",
      "requestObject",
      "responseObject",
      "requestReceivedTimestamp",
      "stageTimestamp",
      "annotations",
    ];
    for (const line of take(3000)) {
      const keys = Object.keys(JSON.parse(line));
      expect(keys).toEqual(order.filter((key) => keys.includes(key)));
    }
  });

  it("escape what Go escapes and leave other text as UTF-8", () => {
    const lines = take(3000);
    expect(lines.filter((line) => /[<>&\u2028\u2029\n]/.test(line))).toEqual([]);
    expect(lines.some((line) => line.includes("\\u0026"))).toBe(true);
    expect(lines.some((line) => line.includes("größere"))).toBe(true);
  });

  it("carry bodies only where their level and stage allow it", () => {
    for (const event of parse(take(3000))) {
      if (event.level === "Metadata") expect(event.requestObject).toBeUndefined();
      if (event.level !== "RequestResponse") expect(event.responseObject).toBeUndefined();
      if (event.stage === "RequestReceived") expect(event.responseStatus).toBeUndefined();
    }
  });

  it("show a request with a rejected token as kube-apiserver does: one line, no user, ResponseStarted", () => {
    const rejected = parse(take(6000)).filter((event) => event.responseStatus?.code === 401);
    expect(rejected.length).toBeGreaterThan(0);
    for (const event of rejected) expect(event).toMatchObject({ user: {}, stage: "ResponseStarted" });
  });

  it("tell of an attack within the first two seconds at 50 events a second", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const reads = parse(take(100, seed)).filter(
        (event) => event.user.username === "dave@example.com" && event.objectRef?.resource === "secrets",
      );
      expect(reads.length, `seed ${seed}`).toBeGreaterThan(0);
    }
  });

  it("mix three quarters of Metadata events with bodies and large lists, 2.5 KB on average", () => {
    const lines = take(20_000);
    const bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
    const metadata = parse(lines).filter((event) => event.level === "Metadata").length;
    const large = lines.filter((line) => line.length > 30_000).length;
    expect(bytes / lines.length).toBeGreaterThan(2200);
    expect(bytes / lines.length).toBeLessThan(2800);
    expect(metadata / lines.length).toBeGreaterThan(0.7);
    expect(metadata / lines.length).toBeLessThan(0.8);
    expect(large / lines.length).toBeGreaterThan(0.006);
    expect(large / lines.length).toBeLessThan(0.014);
  });

  it("of the metadata mix have no bodies and 1.1 KB on average", () => {
    const lines = take(10_000, 1, { mix: "metadata" });
    const bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
    expect(new Set(parse(lines).map((event) => event.level))).toEqual(new Set(["Metadata"]));
    expect(bytes / lines.length).toBeGreaterThan(1000);
    expect(bytes / lines.length).toBeLessThan(1200);
  });

  it("start at the given time and go on at the given rate", () => {
    const start = Date.UTC(2027, 5, 1, 12);
    const all = parse(take(2001, 5, { start, rate: 1000, mix: "metadata" }));
    const last = Date.parse(all[2000].stageTimestamp);
    expect(all[0].stageTimestamp.slice(0, 19)).toBe("2027-06-01T12:00:00");
    expect(last - start).toBeGreaterThanOrEqual(1990);
    expect(last - start).toBeLessThanOrEqual(2001);
    expect(all[0].stageTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  it("mark every secret in a body as fake", () => {
    for (const event of parse(take(8000))) {
      const body = event.responseObject as { kind?: string; data?: Record<string, string> } | undefined;
      if (body?.kind !== "Secret") continue;
      expect(Buffer.from(body.data!.password, "base64").toString()).toMatch(/^FAKE-not-a-real-secret-/);
    }
  });
});
