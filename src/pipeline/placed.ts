import type { LoadedConfig } from "../config/load.js";
import { AuditshipError } from "../plugin/index.js";

/** The same error, placed at the value at `path` of a configuration. */
export function inConfig({ code, message, place }: AuditshipError, { place: placeOf }: Placing, path: Path) {
  const within = place.column === undefined ? "" : ` (line ${place.line}, column ${place.column} of the condition)`;
  return new AuditshipError(code, `${path.join(".")}: ${message}${within}`, placeOf(path));
}

/** Makes something of the value at `path`. An error says which value is wrong, and where it is. */
export async function placed<Made>(placing: Placing, path: Path, make: () => Made | Promise<Made>): Promise<Made> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof AuditshipError && /^AUDITSHIP_(CONFIG|RULE)/.test(error.code))) throw error;
    throw inConfig(error, placing, path);
  }
}

type Placing = Pick<LoadedConfig, "place">;
type Path = readonly string[];
