import { defineSink, duration, size } from "../../src/plugin/index.js";
import { Archive, storedPath } from "./file/archive.js";

/** An archive of NDJSON on the node: documents in shape `native`, one per line, rotated by size and UTC day. */
export default defineSink({
  kind: "sink",
  name: "file",
  options: (zod) =>
    zod.strictObject({
      path: zod.string().describe("The active file; rotated ones lie beside it. Missing directories are created."),
      maxSize: size().prefault("100MiB").describe("Rotate before the file on disk exceeds this size."),
      rotateDaily: zod.boolean().default(true).describe("Rotate at the first write of a new UTC day."),
      maxBackups: zod.number().int().nonnegative().default(0).describe("Most rotated files to keep; 0: all."),
      retention: zod
        .union([zod.literal("none"), duration()])
        .prefault("none")
        .describe("How long events are kept, or none for ever. Rotated files last written longer ago are deleted."),
      gzip: zod.boolean().default(false).describe("Compress the files; their names then end in .gz."),
      fsync: zod
        .enum(["checkpoint", "always", "never"])
        .default("checkpoint")
        .describe(
          "When files are synced to disk. checkpoint: before the cursor passes, up to four times a second; always: after each batch; never: left to the system, so that a power failure may cost events.",
        ),
      minFree: size()
        .prefault(0)
        .describe("Space to leave free on the file system; with less, the sink parks until there is room. 0: none."),
    }),
  ownFile: storedPath,
  defaults: { select: "all" },
  create: ({ retention, ...options }, host) =>
    new Archive({ ...options, retention: retention === "none" ? undefined : retention }, host),
});
