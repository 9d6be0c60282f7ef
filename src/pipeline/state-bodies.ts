import { z } from "zod";

const offset = z.int().nonnegative();
const position = z.object({ file: z.string(), offset });
const range = z.object({ file: z.string(), from: offset, to: offset });
/** Its source's or sink's own. */
const opaque = z.custom<object>((value) => typeof value === "object" && value !== null);

/** What state files hold, as far as whoever reads them relies on it. */
export const BODIES = {
  source: z.object({
    table: opaque,
    highWater: position.optional(),
    gaps: z.array(z.object({ from: position.optional(), to: position })).optional(),
  }),
  sink: z.object({
    cursors: z.record(z.string(), position.extend({ ranges: z.array(range).optional() })),
    state: opaque.optional(),
  }),
};
