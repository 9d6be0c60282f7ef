import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { createEvaluator } from "../rules/index.js";
import type { CommandOutput } from "./output.js";

/** Answers each `{"condition","event"}` line with one line, in order. DESIGN §8. */
export async function evaluateLines(input: Readable, rules: string | undefined, output: CommandOutput): Promise<void> {
  const evaluate = await createEvaluator({ rules });
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    output.print(`${JSON.stringify(evaluate(line))}\n`);
    await output.drained();
  }
}
