import { spawn } from "node:child_process";
import { PassThrough, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { safe } from "../../plugins/sinks/stdout/line.js";
import { Terminal } from "../../plugins/sinks/stdout.js";
import { documents, events, match } from "./support.js";

const EVENT = {
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  level: "Metadata",
  auditID: "a-1",
  stage: "ResponseComplete",
  requestURI: "/api/v1/namespaces/shop/secrets/db",
  verb: "get",
  user: { username: "alice" },
  objectRef: { resource: "secrets", namespace: "shop", name: "db" },
  responseStatus: { code: 200 },
  requestReceivedTimestamp: "2026-11-21T10:00:00.000000Z",
  stageTimestamp: "2026-11-21T10:00:01.500000Z",
};

/** A stream that keeps what it gets. */
function collector(more: { isTTY?: boolean } = {}) {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return Object.assign(stream, more, { text: () => Buffer.concat(chunks).toString() });
}

async function printed(event: object, rules = [match()], stream = collector(), environment = {}): Promise<string> {
  const { batch, selection } = events(event);
  for (const rule of rules) batch.addMatch(0, rule);
  await new Terminal({ format: "text" }, stream, environment).fold(selection);
  return stream.text();
}

describe("standard output as text", () => {
  it("shows time, priority, rule, message and who did what in one line", async () => {
    expect(await printed(EVENT)).toBe(
      "2026-11-21T10:00:01.500Z WARNING secret-read: a secret was read — alice get secrets shop/db → 200\n",
    );
  });

  it("shows the gravest of several matches first, and names the others", async () => {
    const graver = match({ rule: "exec", rank: 4, priority: "Critical", message: () => "a shell" });
    expect(await printed(EVENT, [match(), graver])).toBe(
      "2026-11-21T10:00:01.500Z CRITICAL exec: a shell — alice get secrets shop/db → 200 (+ secret-read)\n",
    );
  });

  it("leaves out rules that only archive where another one alerts, and names them where none does", async () => {
    const archiving = match({
      rule: "change",
      rank: 4,
      priority: "Critical",
      actions: ["archived"],
      message: () => "",
    });
    expect(await printed(EVENT, [archiving, match()])).toBe(
      "2026-11-21T10:00:01.500Z WARNING secret-read: a secret was read — alice get secrets shop/db → 200\n",
    );
    expect(await printed(EVENT, [archiving])).toContain("CRITICAL change: ");
  });

  it("shows events without matches, without a code, on a subresource, impersonated, or of no resource", async () => {
    const { responseStatus: _, ...running } = EVENT;
    expect(await printed(running, [])).toBe("2026-11-21T10:00:01.500Z alice get secrets shop/db\n");
    const exec = { ...EVENT, objectRef: { ...EVENT.objectRef, resource: "pods", subresource: "exec" } };
    expect(await printed(exec, [])).toContain("alice get pods/exec shop/db → 200\n");
    expect(await printed({ ...EVENT, impersonatedUser: { username: "root" } }, [])).toContain("alice as root get ");
    const health = { ...EVENT, objectRef: undefined, requestURI: "/healthz" };
    expect(await printed(health, [])).toContain("alice get /healthz → 200\n");
  });

  it("never lets what a client wrote move the cursor, break the line, or fill the screen", async () => {
    const hostile = { ...EVENT, user: { username: "\x1b[2J\r\nroot\u202e" }, verb: "v".repeat(5000) };
    const line = await printed(hostile, [match({ message: () => "\x1b]0;title\x07" })]);
    expect(line).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
    expect(line.indexOf("\n")).toBe(line.length - 1);
    expect(line).toContain("\\x1b[2J\\x0d\\x0aroot\\u{202e}");
    expect(line.length).toBeLessThan(400);
  });

  it("shows the C1 controls, half surrogates and zero widths that terminals obey or hide", () => {
    expect(safe("a\x9bb\u200bc\ud800d\u2028e\x7f")).toBe("a\\x9bb\\u{200b}c\\u{d800}d\\u{2028}e\\x7f");
    expect(safe("ünï → 🙂")).toBe("ünï → 🙂");
  });

  it("colours the priority on a terminal, not in a pipe, and not under NO_COLOR", async () => {
    expect(await printed(EVENT, undefined, collector({ isTTY: true }))).toContain("\x1b[33mWARNING\x1b[0m");
    expect(await printed(EVENT, undefined, collector({ isTTY: true }), { NO_COLOR: "1" })).not.toContain("\x1b");
    expect(await printed(EVENT)).not.toContain("\x1b");
  });

  it("tells of an invalid line without its bytes", async () => {
    const { batch, selection } = events(["no event"]);
    const stream = collector();
    await new Terminal({ format: "text" }, stream).fold(selection);
    expect(batch.count).toBe(1);
    expect(stream.text()).toContain("invalid line (not-an-object), 12 bytes\n");
  });
});

describe("standard output as JSON", () => {
  it("holds the line as written, and our members with the event's id", async () => {
    const { selection } = events(EVENT);
    const stream = collector();
    await new Terminal({ format: "json" }, stream).fold(selection);
    const { auditship, "@timestamp": time, ...rest } = JSON.parse(stream.text());
    expect(rest).toEqual(EVENT);
    expect(time).toBe(EVENT.stageTimestamp);
    expect(auditship.id).toMatch(/^[\w-]{40}$/);
  });
});

describe("a pipe", () => {
  it("that is slow is waited for", async () => {
    const slow = new PassThrough({ highWaterMark: 1 });
    let folded = false;
    const fold = new Terminal({ format: "text" }, slow).fold(events(EVENT, EVENT).selection).then(() => {
      folded = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    const before = folded;
    slow.resume();
    await fold;
    expect(before).toBe(false);
  });

  it("that is closed stops the sink and fails the probe in readable words, and does not crash", async () => {
    const child = spawn("true", { stdio: ["pipe", "ignore", "ignore"] });
    await new Promise((resolve) => child.once("exit", resolve));
    const terminal = new Terminal({ format: "json" }, child.stdin!);
    const big = documents("x".repeat(1 << 20));
    const over = { kind: "stop", reason: expect.stringMatching(/^standard output/) };
    expect(await terminal.fold(big)).toEqual(over);
    await expect(terminal.probe()).rejects.toThrow(/^standard output/);
    expect(await terminal.fold(big)).toEqual(over);
  });
});
