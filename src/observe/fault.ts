import { AuditshipError } from "../plugin/index.js";

/** Most places that are given for one error. */
const MAX_PLACES = 10;

/**
 * What an error is and where it was thrown, for the log: `SyntaxError at run (network.mjs:40:12) < …`. What engines and plugins say
 * may quote an event (`Unexpected token … in "…"`), so that messages are kept of our own errors and the system's only.
 */
export function faultOf(error: unknown): string {
  if (error instanceof AuditshipError) return error.line();
  if (!(error instanceof Error)) return `something that is no error was thrown (${typeof error})`;
  const { code, syscall } = error as NodeJS.ErrnoException;
  const what = syscall === undefined ? kindOf(error, code) : error.message;
  return [what, placesOf(error)].filter((part) => part !== "").join(" at ");
}

/** Its class, and a code if it has one: names, as they stand in programs. */
function kindOf(error: Error, code: unknown): string {
  const { name } = error.constructor;
  return typeof code === "string" && /^[A-Z][A-Z0-9_]{0,63}$/.test(code) ? `${name} ${code}` : name;
}

/** The frames of its stack. They stand behind name and message, which are taken off as they are there, whatever they hold. */
function placesOf(error: Error): string {
  const { stack = "", message } = error;
  const from = message === "" ? 0 : stack.indexOf(message) + message.length;
  if (from < message.length) return "";
  const frames = stack.slice(from).matchAll(/^ {4}at (.+)$/gm);
  return Array.from(frames, ([, frame]) => frame)
    .slice(0, MAX_PLACES)
    .join(" < ");
}
