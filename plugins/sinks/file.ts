import { defineSink, duration, size } from "../../src/plugin/index.js";
import { Archive, storedPath } from "./file/archive.js";

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
      retention: zod
        .union([zod.literal("none"), duration()])
        .prefault("none")
        .describe("How long events are kept, or none: for ever. Rotated files last written longer ago are deleted."),
      gzip: zod.boolean().default(false).describe("Compress; the files' names then end in .gz."),
      fsync: zod
        .enum(["checkpoint", "always", "never"])
        .default("checkpoint")
        .describe(
          "When files are forced to disk. checkpoint: before the cursor passes, up to four times a second; always: after each batch; never: left to the system, and a power failure may cost events.",
        ),
      minFree: size()
        .prefault(0)
        .describe("Space to leave free on the file system: below it the sink parks until there is room. 0: none."),
    }),
  ownFile: storedPath,
  defaults: { select: "all" },
  create: ({ retention, ...options }, host) =>
    new Archive({ ...options, retention: retention === "none" ? undefined : retention }, host),
});
