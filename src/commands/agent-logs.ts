import { join } from "node:path";
import type { LoadedConfig } from "../config/load.js";
import { AuditshipError } from "../plugin/index.js";
import { Descriptor } from "../tail/descriptor.js";
import { Directory } from "../tail/directory.js";
import { type InputFile, openLog, unreadable } from "./input-files.js";

/**
 * The files that an agent of this configuration reads: of each source's log the backups, oldest first, and the active file.
 * @throws AuditshipError AUDITSHIP_INPUT if there are none, or they cannot be read
 */
export function agentLogs({ sources, resolve, path }: LoadedConfig): InputFile[] {
  const files = sources
    .filter(({ plugin }) => plugin.name === "file")
    .flatMap(({ options }) => openLog(() => logFiles(resolve(String(options.path)))));
  if (files.length > 0) return files;
  throw new AuditshipError("AUDITSHIP_INPUT", "its sources have no log files here: name the files to read.", {
    file: path,
  });
}

function logFiles(path: string): string[] {
  try {
    return filesOf(path);
  } catch (cause) {
    throw cause instanceof AuditshipError ? cause : unreadable(path, cause);
  }
}

function filesOf(path: string): string[] {
  const directory = Directory.find(path, (name) => new Descriptor(name));
  if (!directory) return [];
  const backups = [...directory.list().values()].sort((a, b) => a.time - b.time);
  const names = backups.map(({ base, gzip }) => join(directory.path, gzip ? `${base}.gz` : base));
  return directory.statActive() ? [...names, directory.activePath] : names;
}
