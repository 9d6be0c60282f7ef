// The three floors (bench/README.md), each as cheap as Node can do it: node floors.mjs copy|gzip|stringify FILE [URL]
import { closeSync, openSync, readSync } from "node:fs";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { Pool } from "undici";

const [, , floor, file, url] = process.argv;
const CHUNK = 4 * 1024 * 1024;
const compress = promisify(gzip);
const pool = url && new Pool(url, { connections: 2 });

/** Whole lines of the file, at most CHUNK bytes at a time, always in the same buffer. */
function* chunks() {
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  const fd = openSync(file, "r");
  for (let at = 0; ; ) {
    const read = readSync(fd, buffer, 0, CHUNK, at);
    const end = buffer.lastIndexOf(10, read - 1) + 1;
    if (read === 0 || end === 0) break;
    yield buffer.subarray(0, end);
    at += end;
  }
  closeSync(fd);
}

async function post(path, body) {
  const answer = await pool.request({
    method: "POST",
    path,
    body,
    headers: { "content-type": "application/x-ndjson" },
  });
  await answer.body.dump();
}

const floors = {
  async copy() {
    for (const chunk of chunks()) await post("/raw/_bulk", chunk);
  },
  async gzip() {
    for (const chunk of chunks()) await compress(chunk, { level: 1, memLevel: 9 });
  },
  async stringify() {
    for (const chunk of chunks()) {
      let body = "";
      for (const line of chunk.toString().split("\n"))
        if (line) body += `{"create":{}}\n${JSON.stringify(JSON.parse(line))}\n`;
      await post("/_bulk", body);
    }
  },
};

await floors[floor]();
await pool?.close();
