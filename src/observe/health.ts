/** What has to be true before the agent is ready: named conditions, each with the reason why it is not met yet. */
export class Readiness {
  readonly #unmet = new Map<string, string>();
  /** What is worth a line, and keeps nobody from being ready. */
  readonly #notes = new Map<string, string>();

  /** Not ready until `name` is met. */
  await(name: string, reason: string): void {
    this.#unmet.set(name, reason);
  }

  /** Mentions a reason until `name` is met; the agent is ready nevertheless. */
  note(name: string, reason: string): void {
    this.#notes.set(name, reason);
  }

  met(name: string): void {
    this.#unmet.delete(name);
    this.#notes.delete(name);
  }

  get ready(): boolean {
    return this.#unmet.size === 0;
  }

  /** One line per condition that is not met, and per note. */
  reasons(): string[] {
    return [...this.#unmet, ...this.#notes].map(([name, reason]) => `${name}: ${reason}`);
  }
}
