import { Flag } from "../plugin/index.js";
import { auditIDOf, listFields } from "../rules/index.js";
import { readInput } from "./input.js";
import { inputFiles } from "./input-files.js";
import { InvalidLines } from "./invalid-lines.js";
import type { CommandOutput } from "./output.js";

export interface FieldsOptions {
  /** Further ones, with their arguments: `ka.uri.param[q]`. */
  field?: readonly string[];
  /** Show what would leave: the profile of `createRedaction`. */
  redact?: string;
}

/**
 * Prints the fields that each event has, as Falco's rules see them: one JSON line per event.
 * @throws AuditshipError AUDITSHIP_INPUT, or AUDITSHIP_USAGE for a field that does not exist
 */
export async function listFileFields(
  files: readonly string[],
  { field = [], redact }: FieldsOptions,
  output: CommandOutput,
): Promise<void> {
  const redaction = redact === undefined ? undefined : await (await import("./redaction.js")).createRedaction(redact);
  const fieldsOf = listFields(field);
  let n = 0;
  const invalid = new InvalidLines(output);
  for await (const batch of readInput(await inputFiles(files), invalid.add)) {
    await redaction?.run(batch);
    for (let row = 0; row < batch.count; row++) {
      if ((batch.flags(row) & Flag.invalid) !== 0) continue;
      const event = batch.at(row);
      output.print(`${JSON.stringify({ n: ++n, auditID: auditIDOf(event), fields: fieldsOf(event) })}\n`);
    }
    await output.drained();
  }
  invalid.end();
}
