import { nearest } from "../../../plugin/nearest.js";

/** Falco's priorities as its alerts spell them, the most urgent first. */
const PRIORITIES = ["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"];

/** The priority with this name, in any case; `info` is Informational. */
export function priorityOf(name: string): string | undefined {
  const wanted = name.toLowerCase() === "info" ? "informational" : name.toLowerCase();
  return PRIORITIES.find((priority) => priority.toLowerCase() === wanted);
}

/** True if a priority is less urgent than the other. */
export function isBelow(priority: string, other: string): boolean {
  return PRIORITIES.indexOf(priority) > PRIORITIES.indexOf(priorityOf(other) ?? other);
}

/** The known name that resembles this one most. */
export function nearestPriority(name: string): string | undefined {
  return nearest(name, PRIORITIES);
}
