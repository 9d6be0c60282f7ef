import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from "pino";
import { StandardError } from "./standard-error.js";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export interface LogOptions {
  level: LogLevel;
  /** For people rather than machines. Default: if stderr is a terminal. */
  pretty?: boolean;
  /** Where the lines go. Default: stderr. */
  to?: DestinationStream;
}

export type Log = PinoLogger;

/** The agent's log: a JSON line each, or a line to read. Event bytes and secrets never come here. */
export function createLog({ level, pretty = process.stderr.isTTY === true, to }: LogOptions): Log {
  if (to) return logTo(to, level, pretty);
  const stderr = new StandardError();
  const log = logTo(stderr, level, pretty);
  stderr.onDropped = (lines) => log.warn({ lines }, "Log lines were left out: stderr took none for a while.");
  return log;
}

function logTo(out: DestinationStream, level: LogLevel, pretty: boolean): Log {
  return pino(
    {
      level,
      base: undefined,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pretty ? { write: (line: string) => out.write(readable(line)) } : out,
  );
}

/** `12:00:01 WARN  sentence key=value`: pino's line for people. Pretty-printing in a worker would not survive bundling. */
function readable(line: string): string {
  const { time, level, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const clock = String(time).slice(11, 19);
  const rest = Object.entries(fields).map(([key, value]) => `  ${key}=${plain(value)}`);
  return `${clock} ${String(level).toUpperCase().padEnd(5)} ${safe(String(msg ?? ""))}${rest.join("")}\n`;
}

function plain(value: unknown): string {
  if (typeof value === "object" && value !== null && "message" in value) return JSON.stringify(value.message);
  return typeof value === "string" && /^[\w./:@+-]+$/.test(value) ? value : safe(JSON.stringify(value));
}

/** Control characters could write over the terminal. */
const safe = (text: string) =>
  text.replace(/[\x00-\x1f\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
