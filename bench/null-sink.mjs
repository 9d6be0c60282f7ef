// A `_bulk` endpoint in a process of its own that takes everything, keeps nothing, and counts what came.
// GET /count answers {"events","bytes","requests"}; POST /reset begins anew. With BENCH_SAVE the bodies go into that file.
import { closeSync, openSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";

const count = { events: 0, bytes: 0, requests: 0 };
const answers = new Map();
let save = process.env.BENCH_SAVE ? openSync(process.env.BENCH_SAVE, "w") : undefined;

function answerFor(events) {
  let answer = answers.get(events);
  if (!answer) {
    const items = Array.from({ length: events }, () => '{"create":{"status":201}}');
    answer = Buffer.from(`{"errors":false,"items":[${items.join(",")}]}`);
    if (answers.size < 100) answers.set(events, answer);
  }
  return answer;
}

function countLines(body) {
  let lines = 0;
  for (let at = body.indexOf(10); at >= 0; at = body.indexOf(10, at + 1)) lines++;
  return lines;
}

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  let body = Buffer.concat(parts);
  if (request.url === "/count") return response.end(JSON.stringify(count));
  if (request.url === "/reset") {
    Object.assign(count, { events: 0, bytes: 0, requests: 0 });
    if (save !== undefined) closeSync(save);
    save = undefined;
    return response.end("{}");
  }
  if (!request.url.includes("_bulk")) {
    response.setHeader("x-elastic-product", "Elasticsearch");
    response.setHeader("content-type", "application/json");
    return response.end('{"version":{"number":"8.19.0"},"tagline":"You Know, for Search"}');
  }
  count.bytes += body.length;
  count.requests++;
  if (request.headers["content-encoding"] === "gzip") body = gunzipSync(body);
  if (save !== undefined) writeSync(save, body);
  const lines = countLines(body);
  const events = request.url.includes("raw") ? lines : lines / 2;
  count.events += events;
  response.setHeader("x-elastic-product", "Elasticsearch");
  response.setHeader("content-type", "application/json");
  response.end(request.url.includes("raw") ? "{}" : answerFor(events));
});

server.listen(0, "127.0.0.1", () => process.stdout.write(`http://127.0.0.1:${server.address().port}\n`));
process.on("SIGTERM", () => process.exit(0));
