import { openTape, viewDocument } from "../event/index.js";
import { createEvaluator, type EvaluatorOptions } from "../rules/index.js";
import { linesOf } from "./input.js";
import type { CommandOutput } from "./output.js";

/** Answers each `{"condition","event"}` line with one line, in order. */
export async function evaluateLines(
  input: AsyncIterable<Buffer>,
  dialect: EvaluatorOptions["dialect"],
  rulesFile: string | undefined,
  output: CommandOutput,
): Promise<void> {
  const evaluate = createEvaluator({ dialect, rulesFile, openTape, viewOf: viewDocument });
  for await (const line of linesOf(input)) {
    output.print(`${JSON.stringify(evaluate(line))}\n`);
    await output.drained();
  }
}
