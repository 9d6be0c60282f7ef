import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type FSWatcher, watch } from "chokidar";

/** Milliseconds of quiet after a change before it is reported: a ConfigMap swap and an editor's save are several events each. */
const SETTLE = 150;
/** Milliseconds between looks at where the paths lead: no event reports a directory or link that was replaced by another. */
const LOOK = 1000;
/** Directories below a path that are watched. */
const DEPTH = 3;

export interface ConfigWatch {
  close(): Promise<void>;
}

/**
 * Calls `onChange` after one of `paths` (files, or directories of files) has changed, also by the swap of a ConfigMap's
 * `..data` link. Resolves when every path is being watched.
 */
export async function watchConfig(paths: readonly string[], onChange: () => void): Promise<ConfigWatch> {
  const watching = new Watching(paths, onChange);
  await watching.open();
  return watching;
}

class Watching implements ConfigWatch {
  readonly #paths: readonly string[];
  readonly #onChange: () => void;
  readonly #look = setInterval(() => this.#compare(), LOOK).unref();
  #watcher: FSWatcher | undefined;
  #places = "";
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(paths: readonly string[], onChange: () => void) {
    this.#paths = paths;
    this.#onChange = onChange;
  }

  async open(): Promise<void> {
    this.#places = placesOf(this.#paths);
    const watcher = watch([...this.#paths], { ignoreInitial: true, depth: DEPTH });
    watcher.on("all", () => this.#changed());
    // A path that vanishes or cannot be watched is no reason to stop; changes of the others are still reported.
    watcher.on("error", () => {});
    this.#watcher = watcher;
    await new Promise<void>((ready) => watcher.once("ready", ready));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#look);
    clearTimeout(this.#timer);
    await this.#renewing;
    await this.#watcher?.close();
  }

  #compare(): void {
    if (placesOf(this.#paths) !== this.#places) this.#changed();
  }

  #changed(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#renewing = this.#renewing.then(() => this.#renew());
    }, SETTLE);
  }

  /** Watches what the paths lead to now, then reports a change. */
  async #renew(): Promise<void> {
    if (this.#closed) return;
    await this.#watcher?.close();
    await this.open();
    if (!this.#closed) this.#onChange();
  }
}

/** What the paths and the links below them lead to, as a text that differs when one leads elsewhere. */
const placesOf = (paths: readonly string[]): string =>
  paths.flatMap((path) => [placeOf(path), ...linksBelow(path).map(placeOf)]).join();

function placeOf(path: string): string {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return "";
  }
}

/** The links in a directory and those below it, through no link, as rules are looked for there. */
function linksBelow(path: string, depth = 0): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true }).filter(({ name }) => !name.startsWith("."));
    return entries.flatMap((entry) => {
      const below = join(path, entry.name);
      if (entry.isSymbolicLink()) return [below];
      return entry.isDirectory() && depth < DEPTH ? linksBelow(below, depth + 1) : [];
    });
  } catch {
    // It is a file, or gone.
    return [];
  }
}
