import { createHmac } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import webhook from "../../plugins/sinks/webhook.js";
import { event, NOW, receiver, request, signal, sink } from "./webhook-receiver.js";

describe("the format events", () => {
  test("is an EventList of the documents with their ids, keyed by the first and the last", async () => {
    const { url, received } = await receiver();
    const hook = await sink({ url });
    const sent = request(hook, [event("a"), event("b"), event("c")]);
    expect(await hook.send(sent, signal)).toEqual({ kind: "done" });
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({ method: "POST", url: "/hook?key=x" });
    expect(received[0].headers).toMatchObject({
      "content-type": "application/json",
      "idempotency-key": `${sent.ids[0]}..${sent.ids[2]}`,
      "user-agent": "auditship/0",
    });
    const list = JSON.parse(received[0].body.toString());
    expect(list).toMatchObject({ kind: "EventList", apiVersion: "audit.k8s.io/v1", metadata: {} });
    expect(list.items).toMatchObject([event("a"), event("b"), event("c")]);
    expect(list.items.map((item: { auditship: { id: string } }) => item.auditship.id)).toEqual(sent.ids);
  });

  test("one by one is an EventList of one event each, in order", async () => {
    const { url, received } = await receiver();
    const hook = await sink({ url, batch: false });
    const sent = request(hook, [event("a"), event("b")]);
    expect(await hook.send(sent, signal)).toEqual([{ kind: "done" }, { kind: "done" }]);
    expect(received.map(({ body }) => JSON.parse(body.toString()).items.length)).toEqual([1, 1]);
    expect(received.map(({ body }) => JSON.parse(body.toString()).items[0].auditID)).toEqual(["a", "b"]);
    expect(received.map(({ headers }) => headers["idempotency-key"])).toEqual(sent.ids.map((id) => `${id}..${id}`));
  });

  test("goes gzipped when the host has gzipped it", async () => {
    const { url, received } = await receiver();
    const hook = await sink({ url });
    await hook.send(request(hook, [event("a"), event("b")], { encoding: "gzip" }), signal);
    expect(received[0].headers["content-encoding"]).toBe("gzip");
    expect(JSON.parse(gunzipSync(received[0].body).toString()).items).toHaveLength(2);
  });
});

describe("the format cloudevents", () => {
  const envelope = (id: string, auditID: string) => ({
    specversion: "1.0",
    id,
    type: "io.k8s.audit.event",
    source: "/auditship/prod%201/cp-1/apiserver",
    time: "2026-11-21T00:00:00.000001Z",
    datacontenttype: "application/json",
    data: expect.objectContaining(event(auditID)),
  });

  test("is a batch in CloudEvents' JSON batch format", async () => {
    const { url, received } = await receiver();
    const hook = await sink({ url, format: "cloudevents" });
    const sent = request(hook, [event("a"), event("b")]);
    expect(await hook.send(sent, signal)).toEqual({ kind: "done" });
    expect(received[0].headers["content-type"]).toBe("application/cloudevents-batch+json; charset=utf-8");
    expect(JSON.parse(received[0].body.toString())).toEqual([envelope(sent.ids[0], "a"), envelope(sent.ids[1], "b")]);
  });

  test("one by one is a structured event each", async () => {
    const { url, received } = await receiver();
    const hook = await sink({ url, format: "cloudevents", batch: false });
    const sent = request(hook, [event("a")]);
    await hook.send(sent, signal);
    expect(received[0].headers["content-type"]).toBe("application/cloudevents+json; charset=utf-8");
    expect(JSON.parse(received[0].body.toString())).toEqual(envelope(sent.ids[0], "a"));
  });
});

describe("the signature", () => {
  async function secretFile(content: string): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), "auditship-webhook-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    await writeFile(join(directory, "secret"), content);
    return join(directory, "secret");
  }
  const sign = (secret: string, body: Buffer) =>
    `t=${NOW / 1000},v1=${createHmac("sha256", secret)
      .update(`${NOW / 1000}.${body}`)
      .digest("hex")}`;

  test("covers time and body, and follows the secret when its file changes", async () => {
    const { url, received } = await receiver();
    const file = await secretFile("first\n");
    const hook = await sink({ url, secretFile: file });
    await hook.send(request(hook, [event("a")]), signal);
    await writeFile(file, "second\n");
    await hook.send(request(hook, [event("b")]), signal);
    expect(received.map(({ headers }) => headers["x-auditship-signature"])).toEqual([
      sign("first", received[0].body),
      sign("second", received[1].body),
    ]);
  });

  test("is given for each key in the file, so that a receiver can change its own when it likes", async () => {
    const { url, received } = await receiver();
    const hook = await sink({ url, secretFile: await secretFile("new\r\n\nold\n") });
    await hook.send(request(hook, [event("a")]), signal);
    const [{ headers, body }] = received;
    const [, second] = sign("old", body).split(",");
    expect(headers["x-auditship-signature"]).toBe(`${sign("new", body)},${second}`);
  });

  test("is verified by what the documentation shows", async () => {
    const { url, received } = await receiver();
    const hook = await sink({ url, secretFile: await secretFile("new\nold\n") });
    await hook.send(request(hook, [event("a")]), signal);
    const page = await readFile(new URL("../../docs/webhook.md", import.meta.url), "utf8");
    const [, code] = /```js\n(.*?)```/s.exec(page)!;
    const file = `${await secretFile("")}.mjs`;
    await writeFile(file, code);
    const { isSigned } = await import(file);
    const [{ headers, body }] = received;
    const verdict = (more: { header?: unknown; body?: Buffer; key?: string; now?: number } = {}) => {
      const given = { header: headers["x-auditship-signature"], body, key: "old", now: NOW / 1000, ...more };
      return isSigned(given.header, given.body, given.key, given.now);
    };
    expect([verdict(), verdict({ key: "new" }), verdict({ now: NOW / 1000 + 300 })]).toEqual([true, true, true]);
    const wrong = [
      { key: "other" },
      { body: Buffer.concat([body, Buffer.from(" ")]) },
      { now: NOW / 1000 + 301 },
      { now: NOW / 1000 - 301 },
      { header: undefined },
      { header: "" },
      { header: `t=${NOW / 1000}` },
      { header: `t=${NOW / 1000},v1=` },
      { header: `t=x,v1=${"0".repeat(64)}` },
    ];
    expect(wrong.map(verdict)).toEqual(wrong.map(() => false));
  });

  test("covers the body before compression", async () => {
    const { url, received } = await receiver();
    const hook = await sink({ url, secretFile: await secretFile("secret") });
    await hook.send(request(hook, [event("a")], { encoding: "gzip" }), signal);
    expect(received[0].headers["x-auditship-signature"]).toBe(sign("secret", gunzipSync(received[0].body)));
  });

  test("is never left out: without its secret nothing is sent", async () => {
    const { url, received } = await receiver();
    const missing = await sink({ url, secretFile: "/nowhere/secret" });
    await expect(missing.send(request(missing, [event("a")]), signal)).rejects.toThrow("/nowhere/secret");
    const empty = await sink({ url, secretFile: await secretFile("\n") });
    await expect(empty.send(request(empty, [event("a")]), signal)).rejects.toThrow("is empty");
    expect(received).toEqual([]);
  });
});

describe("an answer", () => {
  test.each([
    [200, { kind: "done" }],
    [202, { kind: "done" }],
    [204, { kind: "done" }],
    [302, { kind: "retry", slow: true, reason: "redirected (302) to nowhere; it is not followed" }],
    [400, { kind: "split", reason: "refused (400)" }],
    [403, { kind: "reject", reason: "refused (403)" }],
    [404, { kind: "reject", reason: "refused (404)" }],
    [422, { kind: "split", reason: "refused (422)" }],
    [408, { kind: "retry", late: true }],
    [425, { kind: "retry" }],
    [429, { kind: "retry" }],
    [500, { kind: "retry", reason: "the receiver is busy or failing (500)" }],
    [503, { kind: "retry" }],
    [504, { kind: "retry", late: true }],
    [410, { kind: "stop", reason: "the receiver is gone (410)" }],
    [413, { kind: "split" }],
  ])("of %i gets its verdict", async (status, expected) => {
    const { url } = await receiver(() => ({ status }));
    const hook = await sink({ url });
    expect(await hook.send(request(hook, [event("a"), event("b")]), signal)).toMatchObject(expected);
  });

  test("with Retry-After is heeded, in seconds or as a date", async () => {
    const values = ["30", new Date(NOW + 60_000).toUTCString(), "soon"];
    const { url } = await receiver((n) => ({ status: 503, headers: { "retry-after": values[n - 1] } }));
    const hook = await sink({ url });
    const afters = [];
    for (const _ of values) afters.push(await hook.send(request(hook, [event("a")]), signal));
    expect(afters).toMatchObject([{ after: 30_000 }, { after: 60_000 }, { after: undefined }]);
  });

  test("that does not come throws, without the path of the hook in its words", async () => {
    const { url } = await receiver(() => "reset");
    const hook = await sink({ url });
    const error = (await Promise.resolve(hook.send(request(hook, [event("a")]), signal)).catch(
      (cause) => cause,
    )) as Error;
    expect(error.message).toBe(`connection closed before the answer was complete (${new URL(url).origin})`);
  });

  test("to one of many sent one by one holds back those after it, but not those before", async () => {
    const { url, received } = await receiver((n) => ({ status: [200, 422, 503][n - 1] ?? 200 }));
    const hook = await sink({ url, batch: false });
    const verdicts = await hook.send(request(hook, ["a", "b", "c", "d"].map(event)), signal);
    expect(verdicts).toMatchObject([{ kind: "done" }, { kind: "reject" }, { kind: "retry" }, { kind: "retry" }]);
    expect(received).toHaveLength(3);
  });

  test("of 410 to one of many sent one by one ends it there", async () => {
    const { url, received } = await receiver((n) => ({ status: n === 2 ? 410 : 200 }));
    const hook = await sink({ url, batch: false });
    const verdicts = await hook.send(request(hook, ["a", "b", "c"].map(event)), signal);
    expect(verdicts).toMatchObject([{ kind: "done" }, { kind: "stop" }, { kind: "stop" }]);
    expect(received).toHaveLength(2);
  });

  test("of 413 to one alone refuses it, since it cannot be halved", async () => {
    const { url } = await receiver(() => ({ status: 413 }));
    const hook = await sink({ url, batch: false });
    const verdicts = await hook.send(request(hook, ["a", "b"].map(event)), signal);
    const refused = { kind: "reject", reason: "the request is too large (413)" };
    expect(verdicts).toEqual([refused, refused]);
  });

  test.each([
    ["http://other.example:8080/secret?token=x", "http://other.example:8080"],
    ["/elsewhere", "another path there"],
    ["http://[", "nowhere"],
  ])("that redirects to %s is not followed; where to is said without its path", async (location, told) => {
    const { url, received } = await receiver(() => ({ status: 307, headers: { location } }));
    const hook = await sink({ url });
    const verdict = await hook.send(request(hook, [event("a")]), signal);
    expect(verdict).toMatchObject({
      kind: "retry",
      slow: true,
      reason: `redirected (307) to ${told}; it is not followed`,
    });
    expect(received).toHaveLength(1);
  });

  test("that gets lost in the middle of one by one leaves the first ones done", async () => {
    const { url } = await receiver((n) => (n === 2 ? "reset" : { status: 200 }));
    const hook = await sink({ url, batch: false });
    const verdicts = await hook.send(request(hook, ["a", "b", "c"].map(event)), signal);
    expect(verdicts).toMatchObject([
      { kind: "done" },
      { kind: "retry", reason: expect.stringContaining("connection closed") },
      { kind: "retry" },
    ]);
  });
});

describe("the probe", () => {
  test.each([200, 401, 404, 405, 501])("takes %i for an answer, and posts nothing", async (status) => {
    const { url, received } = await receiver(() => ({ status }));
    await expect((await sink({ url })).probe(signal)).resolves.toBeUndefined();
    expect(received.map(({ method }) => method)).toEqual(["HEAD"]);
  });

  test("says that the receiver fails or is not there", async () => {
    const { url } = await receiver(() => ({ status: 502 }));
    await expect((await sink({ url })).probe(signal)).rejects.toThrow("answers with 502");
    await expect((await sink({ url: "http://127.0.0.1:1" })).probe(signal)).rejects.toThrow("connection refused");
  });
});

test("a webhook needs url or urls, one of them", async () => {
  await expect(sink({})).rejects.toMatchObject({ code: "AUDITSHIP_CONFIG_VALUE" });
  await expect(sink({ url: "http://a", urls: ["http://b"] })).rejects.toMatchObject({ code: "AUDITSHIP_CONFIG_VALUE" });
  expect(() => webhook.options(z).parse({ url: "http://a", format: "slack" })).toThrow();
});
