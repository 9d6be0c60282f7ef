import { nearest } from "../../../plugin/nearest.js";

/** Falco's priorities as its alerts spell them, the most urgent first. */
const PRIORITIES = ["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"];

/** The priority of a name in any case; `info` is Informational. */
export function priorityOf(name: string): string | undefined {
  const wanted = name.toLowerCase() === "info" ? "informational" : name.toLowerCase();
  return PRIORITIES.find((priority) => priority.toLowerCase() === wanted);
}

/** True for a priority that is less urgent than the other. */
export function isBelow(priority: string, other: string): boolean {
  return PRIORITIES.indexOf(priority) > PRIORITIES.indexOf(priorityOf(other) ?? other);
}

/** The name that is most like this one. */
export function nearestPriority(name: string): string | undefined {
  return nearest(name, PRIORITIES);
}
