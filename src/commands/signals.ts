/**
 * What signals ask of an agent. Listens from the moment it is made: what is asked before there is an agent is kept for it, where
 * the signal would have ended the process.
 */
export class Signals {
  /** Resolves to the first SIGTERM or SIGINT; the second one ends the process at once. */
  readonly stop: Promise<NodeJS.Signals>;
  readonly #listeners: [NodeJS.Signals, (signal: NodeJS.Signals) => void][] = [];
  #reload: (() => void) | undefined;
  #reloadDue = false;

  /** @param once nothing is reloaded: SIGHUP ends the process, as ever */
  constructor({ once = false } = {}) {
    this.stop = new Promise((resolve) => {
      let asked = false;
      const stop = (signal: NodeJS.Signals) => {
        if (asked) process.exit(1);
        asked = true;
        resolve(signal);
      };
      this.#listen("SIGTERM", stop);
      this.#listen("SIGINT", stop);
    });
    if (!once) this.#listen("SIGHUP", () => this.#onHangUp());
  }

  /** Called on each SIGHUP from now on, and at once if there was one before. */
  set onReload(reload: () => void) {
    this.#reload = reload;
    if (this.#reloadDue) reload();
    this.#reloadDue = false;
  }

  release(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }

  #onHangUp(): void {
    if (this.#reload) this.#reload();
    else this.#reloadDue = true;
  }

  #listen(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): void {
    process.on(signal, listener);
    this.#listeners.push([signal, listener]);
  }
}
