import { statfs } from "node:fs/promises";
import { nearestDirectory } from "./probe.js";

/** What has to be free beyond the floor before writing goes on, as a part of it: else it would stop again at once. */
const MARGIN = 0.1;

/** Leaves some of a file system to others. */
export class FreeSpace {
  /** @param floor bytes that have to stay free; 0: it never asks */
  constructor(
    private readonly directory: string,
    private readonly floor: number,
  ) {}

  /** Throws if there is less than the floor when `bytes` more are written. */
  async require(bytes: number): Promise<void> {
    await this.#require(this.floor, bytes);
  }

  /** Throws unless there is room for a while. */
  async requireToGoOn(): Promise<void> {
    await this.#require(this.floor * (1 + MARGIN), 0);
  }

  async #require(floor: number, bytes: number): Promise<void> {
    if (this.floor === 0) return;
    const { bavail, bsize } = await statfs(await nearestDirectory(this.directory));
    if (bavail * bsize - bytes >= floor) return;
    const free = `${Math.floor((bavail * bsize) / 1024 ** 2)} MiB are free`;
    throw Object.assign(new Error(`${free}, and minFree is ${Math.ceil(this.floor / 1024 ** 2)} MiB`), {
      code: "ENOSPC",
    });
  }
}
