import { appendFile } from "node:fs/promises";
import { createServer } from "node:http";
import { expect, it, vi } from "vitest";
import { patience } from "../support/patience.js";
import { serve } from "../support/serve.js";
import { bundledProgram, Site, simulated, started, text } from "./fixture.js";

const program = bundledProgram();
const lines = simulated(11, 20);

/** A receiver that answers as told, and keeps the number of events it took. */
async function receiver() {
  const far = { status: 410, posts: 0, taken: 0, url: "" };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.method === "POST") {
      far.posts++;
      if (far.status === 200) far.taken += JSON.parse(Buffer.concat(chunks).toString()).items.length;
    }
    response.writeHead(request.method === "POST" ? far.status : 200).end();
  });
  far.url = `${await serve(server)}/`;
  return far;
}

async function site(url: string, more: object = {}): Promise<Site> {
  const place = await Site.make();
  await place.configure({
    sinks: {
      hook: { type: "webhook", url, select: "all", startAt: "beginning", ...more },
      archive: { type: "file", path: "archive.ndjson" },
    },
  });
  await appendFile(place.at("log", "audit.log"), text(lines));
  return place;
}

it.each([
  { required: true, while: "503 sink hook: stopped: the receiver is gone (410)\n" },
  { required: false, while: "200 ok\nsink hook: stopped: the receiver is gone (410)\n" },
])(
  "a receiver that is gone stops its sink, visibly and without loss, until a reload; required: $required",
  async (is) => {
    const far = await receiver();
    const place = await site(far.url, { required: is.required });
    const agent = program.start(place);
    const { metric } = await started(agent);
    const said = JSON.parse(agent.err.split("\n").find((line) => line.includes("Agent started."))!);
    const readyz = async () => {
      const answer = await fetch(said.metrics.replace("/metrics", "/readyz"));
      return `${answer.status} ${await answer.text()}`;
    };

    await vi.waitFor(async () => {
      expect(await metric("auditship_sink_state")).toMatchObject({ '{sink="hook",state="stopped"}': 1 });
      expect(await readyz()).toBe(is.while);
      // The others go on.
      expect(await place.archive("archive.ndjson")).toHaveLength(lines.length);
    }, patience);
    expect(agent.err).toContain("Sink stopped until a reload or a restart");
    expect(far.posts).toBe(1);

    far.status = 200;
    agent.child.kill("SIGHUP");
    await vi.waitFor(() => expect(far.taken).toBe(lines.length), patience);
    await vi.waitFor(async () => expect(await readyz()).toBe("200 ok\n"), patience);
    expect(await metric("auditship_sink_state")).toMatchObject({ '{sink="hook",state="stopped"}': 0 });
  },
);

it("a run --once ends with an error when a receiver is gone", async () => {
  const far = await receiver();
  const place = await site(far.url);
  const agent = program.start(place, "--once");
  expect(await agent.exited).toBe(1);
  expect(agent.err).toContain("sink hook: the receiver is gone (410) (AUDITSHIP_SINK_FAILED)");
  expect(far.posts).toBe(1);
});
