import type { EventView, Host, SendingSink, Verdict } from "../plugin/index.js";
import type { DeadLetter } from "./dead-letter-file.js";
import type { DeadLetters } from "./dead-letters.js";
import { RefusalNotice } from "./refusal-notice.js";
import type { PendingRequest } from "./request.js";

/** What would be a dead letter as an event again, for `encodeSafe`. The host's, because delivery knows nothing of JSON. */
export type ViewLetter = (letter: DeadLetter) => EventView | undefined;

export interface BurialDeps {
  deadLetters: DeadLetters;
  viewLetter: ViewLetter;
}

/** What becomes of the items of a request that were refused. */
export interface Refused {
  /** Requests that send one once more each, in safe shape. */
  safe: PendingRequest[];
  /** Indexes of the others, and their letters. */
  buried: number[];
  letters: DeadLetter[];
}

/** What a sink's far end refuses for good: sent once more in safe shape, where the sink has one, and then a dead letter. */
export class Burial {
  readonly #sink: SendingSink;
  readonly #host: Host;
  readonly #deps: BurialDeps;
  readonly #notice: RefusalNotice;

  constructor(sink: SendingSink, host: Host, deps: BurialDeps) {
    this.#sink = sink;
    this.#host = host;
    this.#deps = deps;
    this.#notice = new RefusalNotice(host);
  }

  /** Divides refused items: those that are sent once more, and those to bury. */
  divide(request: PendingRequest, refused: readonly number[], verdicts: readonly Verdict[]): Refused {
    const divided: Refused = { safe: [], buried: [], letters: [] };
    if (refused.length === 0) return divided;
    const plain = request.plain();
    for (const index of refused) {
      const { reason } = verdicts[index] as { reason: string };
      const letter = this.letter(request, index, plain, request.safe ?? reason, request.attempt + 1);
      const event = request.safe || !this.#sink.encodeSafe ? undefined : this.#deps.viewLetter(letter);
      if (event) divided.safe.push(request.reshape(this.#sink, index, event, reason, plain));
      else {
        divided.letters.push(letter);
        divided.buried.push(index);
      }
    }
    return divided;
  }

  /** The dead letter of an item; `plain` is the request's plain body. */
  letter(request: PendingRequest, index: number, plain: Uint8Array, reason: string, attempts: number): DeadLetter {
    return {
      id: request.id(index),
      sink: this.#host.name,
      reason,
      time: new Date(this.#host.now()).toISOString(),
      attempts,
      ...request.document(index, plain),
    };
  }

  /** Keeps letters; throws if that cannot be done. */
  async bury(letters: readonly DeadLetter[]): Promise<void> {
    await this.#deps.deadLetters.add(letters);
    this.#notice.note(letters.length, letters[0].reason);
    this.#host.meter.add("auditship_dead_letters_total", letters.length, this.#host.name);
  }

  close(): void {
    this.#notice.close();
  }
}
