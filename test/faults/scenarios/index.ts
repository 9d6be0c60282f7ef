import type { Scenario } from "../scenario.js";
import { rotation } from "./rotation.js";

/** All of them, in the order of reference/shippers.md §2b. */
export const SCENARIOS: readonly Scenario[] = [...rotation];
