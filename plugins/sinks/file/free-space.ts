import { statfs } from "node:fs/promises";
import { nearestDirectory } from "./probe.js";

/** What has to be free beyond the floor before writing goes on, as a part of it: else it would stop again at once. */
const MARGIN = 0.1;
const MIB = 1024 ** 2;

/** Leaves some of a file system to others. */
export class FreeSpace {
  /** @param floor bytes that have to stay free; 0: others are left nothing */
  constructor(
    private readonly directory: string,
    private readonly floor: number,
  ) {}

  /** Throws if writing `bytes` would leave less than the floor. */
  async require(bytes: number): Promise<void> {
    if (this.floor > 0) await this.#require(this.floor + bytes);
  }

  /** Throws unless there is room for a while, for what did not fit before too. */
  async requireToGoOn(unfit: number): Promise<void> {
    if (this.floor + unfit > 0) await this.#require(this.floor * (1 + MARGIN) + unfit);
  }

  async #require(needed: number): Promise<void> {
    const { bavail, bsize } = await statfs(await nearestDirectory(this.directory));
    const free = bavail * bsize;
    if (free >= needed) return;
    const text = `${(free / MIB).toFixed(1)} MiB are free, and ${(needed / MIB).toFixed(1)} are needed`;
    const why = this.floor > 0 ? `${text} (minFree: ${(this.floor / MIB).toFixed(1)} MiB)` : text;
    throw Object.assign(new Error(why), { code: "ENOSPC" });
  }
}
