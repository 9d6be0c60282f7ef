import { z } from "zod";

const SIZES: Record<string, number> = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 };
const SPANS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `32MiB`, `20MB` or a number of bytes, as bytes. */
export const size = () =>
  z
    .union([z.number().int().nonnegative(), z.string()])
    .transform((value, context) =>
      unit(value, /^(\d+(?:\.\d+)?)\s*([kmg]?i?b)?$/i, SIZES, "a size such as 32MiB", context),
    )
    .meta({ title: "size" });

/** `1s`, `250ms`, `7d` or a number of milliseconds, as milliseconds. */
export const duration = () =>
  z
    .union([z.number().nonnegative(), z.string()])
    .transform((value, context) =>
      unit(value, /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/, SPANS, "a duration such as 250ms, 1s or 7d", context),
    )
    .meta({ title: "duration" });

/** The longest delay: Node's timers fire at once if they are set to more than 2^31 - 1 milliseconds. */
const LONGEST = 24 * SPANS.d;

/** A duration for a timer, of at least so many milliseconds. */
export const delay = (least = 0) =>
  duration().refine((ms) => ms >= least && ms <= LONGEST, `expected from ${least}ms to 24d`);

/** `20MB/s`, as bytes per second. */
export const rate = () =>
  z
    .string()
    .transform((value, context) =>
      unit(value, /^(\d+(?:\.\d+)?)\s*([kmg]?i?b)\/s$/i, SIZES, "a rate such as 20MB/s", context),
    )
    .meta({ title: "rate" });

function unit(
  value: number | string,
  pattern: RegExp,
  units: Record<string, number>,
  expected: string,
  context: z.RefinementCtx,
): number {
  if (typeof value === "number") return value;
  const match = pattern.exec(value.trim());
  if (match) return Math.round(Number(match[1]) * (match[2] ? units[match[2].toLowerCase()] : 1));
  context.addIssue({ code: "custom", message: `expected ${expected}` });
  return z.NEVER;
}
