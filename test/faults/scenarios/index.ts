import type { Scenario } from "../scenario.js";
import { archives } from "./archives.js";
import { compression } from "./compression.js";
import { disk } from "./disk.js";
import { downtime } from "./downtime.js";
import { identity } from "./identity.js";
import { isolation } from "./isolation.js";
import { killing } from "./kills.js";
import { lines } from "./lines.js";
import { pinning } from "./pinning.js";
import { rotation } from "./rotation.js";
import { searchSinks } from "./search-sinks.js";
import { state } from "./state.js";

/** All of them; the numbers are those of reference/shippers.md §2b. */
export const SCENARIOS: readonly Scenario[] = [
  ...rotation,
  ...compression,
  ...downtime,
  ...pinning,
  ...identity,
  ...disk,
  ...archives,
  ...lines,
  ...killing,
  ...state,
  ...searchSinks,
  ...isolation,
];
