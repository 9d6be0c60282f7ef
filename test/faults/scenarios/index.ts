import type { Scenario } from "../scenario.js";
import { downtime } from "./downtime.js";
import { rotation } from "./rotation.js";

/** All of them; the numbers are those of reference/shippers.md §2b. */
export const SCENARIOS: readonly Scenario[] = [...rotation, ...downtime];
