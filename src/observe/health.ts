/** What has to be true before the agent is ready: named conditions, each with the reason why it is not met yet. */
export class Readiness {
  readonly #unmet = new Map<string, string>();

  /** Not ready until `name` is met. */
  await(name: string, reason: string): void {
    this.#unmet.set(name, reason);
  }

  met(name: string): void {
    this.#unmet.delete(name);
  }

  get ready(): boolean {
    return this.#unmet.size === 0;
  }

  /** One line per condition that is not met. */
  reasons(): string[] {
    return [...this.#unmet].map(([name, reason]) => `${name}: ${reason}`);
  }
}
