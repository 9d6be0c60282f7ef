import { defineSink, duration, size } from "../../src/plugin/index.js";
import { Archive } from "./file/archive.js";

/** An archive of NDJSON on the node: documents in shape `native`, one per line, rotated by size and UTC day. */
export default defineSink({
  kind: "sink",
  name: "file",
  options: (zod) =>
    zod.strictObject({
      path: zod.string().describe("The file that is written; rotated ones lie beside it. Directories are made."),
      maxSize: size().prefault("100MiB").describe("Rotate before the file grows beyond this size, as stored."),
      rotateDaily: zod.boolean().default(true).describe("Rotate at the first write of a new UTC day."),
      maxBackups: zod.number().int().nonnegative().default(0).describe("Most rotated files to keep; 0 keeps all."),
      retention: duration().optional().describe("Delete rotated files last written longer ago than this, e.g. 7d."),
      gzip: zod.boolean().default(false).describe("Compress; the files' names then end in .gz."),
    }),
  defaults: { select: "all" },
  create: (options, host) => new Archive(options, host),
});
