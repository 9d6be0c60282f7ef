import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ByteWriter, type EventView, type Request, type SendingSink, type SinkHost } from "../../src/plugin/index.js";
import { listen } from "../support/listen.js";
import { batchOf, hostOf, loadExample, optionsOf } from "./support.js";

const LINE = {
  kind: "Event",
  verb: "delete",
  user: { username: "zoë" },
  stageTimestamp: "2026-01-05T08:00:00.123456Z",
};

function warning(rank: number) {
  return {
    rule: "R",
    dialect: "kubesphere",
    priority: "WARNING",
    rank,
    actions: ["alerting"],
    tags: [],
    facts: {},
    message: () => "zoë did it",
  } as const;
}

/** A request as the host makes it of encoded events. */
function requestOf(sink: SendingSink, ...events: EventView[]): Request {
  const out = new ByteWriter();
  for (const event of events) sink.encode(event, out);
  const body = out.view().slice();
  return {
    body,
    encoding: "identity",
    count: events.length,
    firstId: "a",
    id: () => "",
    lastId: "b",
    attempt: 0,
    unsure: false,
    item: () => body,
  };
}

describe("the example sink that a configuration loads by its path", () => {
  let server: Server;
  let received: string;
  let sockets: Socket[];
  const signal = () => AbortSignal.timeout(10_000);

  beforeEach(async () => {
    received = "";
    sockets = [];
    server = createServer((socket) => {
      sockets.push(socket);
      socket.setEncoding("utf8").on("data", (text) => {
        received += text;
        server.emit("received");
      });
      socket.on("error", () => {});
    });
    await listen(server);
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  const until = async (lines: number) => {
    while (received.split("\n").length - 1 < lines) await once(server, "received");
    return received.split("\n").slice(0, lines);
  };
  const portOf = () => (server.address() as AddressInfo).port;
  async function open(port = portOf()): Promise<SendingSink> {
    const plugin = await loadExample("sink", "./sink-syslog/syslog.mjs");
    return (await plugin.create(optionsOf(plugin, { port }), hostOf() as SinkHost)) as SendingSink;
  }

  it("sends one RFC 5424 message a line: facility 13, the match's severity, time, node and the event", async () => {
    const sink = await open();
    const batch = batchOf(LINE);
    batch.addMatch(0, warning(2));
    expect(await sink.send(requestOf(sink, batch.at(0)), signal())).toEqual({ kind: "done" });
    const [line] = await until(1);
    // 13 · 8 + 4 (warning) = 108
    const header = "<108>1 2026-01-05T08:00:00.123Z control-1 auditship - audit - ";
    expect(line.slice(0, header.length)).toBe(header);
    expect(JSON.parse(line.slice(header.length))).toMatchObject({ verb: "delete", user: { username: "zoë" } });
    await sink.close?.();
  });

  it("calls events without a match informational", async () => {
    const sink = await open();
    await sink.send(requestOf(sink, batchOf(LINE).at(0)), signal());
    expect((await until(1))[0]).toMatch(/^<110>1 /);
    await sink.close?.();
  });

  it("keeps its connection for the next request and opens a new one after the server closed it", async () => {
    const sink = await open();
    const request = requestOf(sink, batchOf(LINE).at(0));
    await sink.send(request, signal());
    await sink.send(request, signal());
    await until(2);
    expect(sockets).toHaveLength(1);
    // The server is restarted: the sink sees the end of its connection before it sends again.
    const closed = once(sockets[0], "close");
    sockets[0].end();
    await closed;
    await sink.send(request, signal());
    await until(3);
    expect(sockets).toHaveLength(2);
    await sink.close?.();
  });

  it("rejects a send and a probe when nobody listens, so that the host retries", async () => {
    const port = portOf();
    server.close();
    await once(server, "close");
    const sink = await open(port);
    await expect(sink.send(requestOf(sink, batchOf(LINE).at(0)), signal())).rejects.toThrow(/ECONNREFUSED/);
    await expect(sink.probe(signal())).rejects.toThrow(/ECONNREFUSED/);
  });
});
