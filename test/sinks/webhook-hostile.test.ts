import { createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { serve } from "../support/serve.js";
import { event, request, signal, sink } from "./webhook-receiver.js";

/** Milliseconds; half of them is for the connection, which a busy machine does not have at once. */
const TIMEOUT = 1000;

/** A server that does with each connection what `answer` does, and tells when the first one has ended. */
async function hostile(answer: (socket: Socket) => void): Promise<{ url: string; ended: Promise<unknown> }> {
  let end = (_: unknown) => {};
  const ended = new Promise<unknown>((resolve) => {
    end = resolve;
  });
  const server = createServer((socket) => {
    socket.on("error", () => {}).on("close", end);
    answer(socket);
  });
  return { url: `${await serve(server)}/hook`, ended };
}

/** Writes the same again and again, as fast as it is read or every few milliseconds, until the other side has enough. */
function forever(socket: Socket, text: string, every?: number): void {
  if (every !== undefined) {
    const timer = setInterval(() => socket.write(text), every);
    socket.on("close", () => clearInterval(timer));
    return;
  }
  const more = () => {
    while (!socket.destroyed && socket.write(text));
  };
  socket.on("drain", more);
  more();
}

async function post(url: string, timeout: number, text = "") {
  const hook = await sink({ url, timeout: `${timeout}ms` });
  return hook.send(request(hook, [{ ...event("a"), requestObject: { text } }]), signal);
}

test("a receiver that sends its headers a byte at a time is given up after the timeout", async () => {
  const { url, ended } = await hostile((socket) => {
    socket.resume().write("HTTP/1.1 200 OK\r\nX-Slow: ");
    forever(socket, "a", 5);
  });
  await expect(post(url, TIMEOUT)).rejects.toThrow("no complete answer within 1 s");
  await ended;
});

test("a receiver that only ever says that it is about to answer is given up after the timeout", async () => {
  const { url, ended } = await hostile((socket) => {
    socket.resume();
    forever(socket, "HTTP/1.1 103 Early Hints\r\n\r\n", 1);
  });
  await expect(post(url, TIMEOUT)).rejects.toThrow("no complete answer within 1 s");
  await ended;
});

test("a receiver that does not read is given up after the timeout", async () => {
  const { url } = await hostile((socket) => socket.pause());
  await expect(post(url, TIMEOUT, "x".repeat(16 * 1024 * 1024))).rejects.toThrow("no complete answer within 1 s");
});

test("a flood of headers is cut, and said", async () => {
  const { url, ended } = await hostile((socket) => {
    socket.resume().write("HTTP/1.1 200 OK\r\n");
    forever(socket, `X-Flood: ${"a".repeat(1000)}\r\n`);
  });
  await expect(post(url, 30_000)).rejects.toThrow("the answer's headers are too large");
  await ended;
});

test("an endless answer is cut, and its status counts", async () => {
  const { url, ended } = await hostile((socket) => {
    socket.resume().write("HTTP/1.1 200 OK\r\n\r\n");
    forever(socket, "a".repeat(64 * 1024));
  });
  expect(await post(url, 30_000)).toEqual({ kind: "done" });
  await ended;
});

test.each([
  ["comes a byte at a time", (socket: Socket) => forever(socket, "1\r\na\r\n", 5)],
  ["never comes", () => {}],
  ["breaks off", (socket: Socket) => void socket.end()],
  ["makes no sense", (socket: Socket) => void socket.write("no chunk\r\n")],
])("an event is not posted twice to a receiver that took it and whose answer's body %s", async (_, body) => {
  const { url, ended } = await hostile((socket) => {
    socket.resume().write("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n");
    body(socket);
  });
  expect(await post(url, 30_000)).toEqual({ kind: "done" });
  await ended;
});
