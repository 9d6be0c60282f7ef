import type { Host } from "../plugin/index.js";
import { Descriptor } from "./descriptor.js";
import type { LogFile } from "./file-table.js";
import type { FirstLine } from "./fingerprint.js";

/** A plain file that somebody holds open, and its first line. */
export interface OpenFile {
  readonly descriptor: Descriptor;
  readonly first: FirstLine;
}

/** Counts the descriptors of a source. A file that is held open can be read whatever its name. */
export class OpenFiles {
  readonly #host: Host;
  readonly #byFile = new WeakMap<LogFile, OpenFile>();
  #count = 0;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Throws the system's errors. */
  readonly open = (path: string): Descriptor => {
    const descriptor = new Descriptor(path, () => this.#add(-1));
    this.#add(1);
    return descriptor;
  };

  /** Remembers the descriptor under which a file is held. */
  hold(file: LogFile, opened: OpenFile): void {
    this.#byFile.set(file, opened);
  }

  forget(file: LogFile): void {
    this.#byFile.delete(file);
  }

  /** Undefined if nobody holds the file. */
  get(file: LogFile): OpenFile | undefined {
    const opened = this.#byFile.get(file);
    return opened?.descriptor.open ? opened : undefined;
  }

  #add(change: number): void {
    this.#count += change;
    this.#host.meter.set("auditship_files_open", this.#count, this.#host.name);
  }
}
