import { type BulkItem, type BulkServer, type Script, startBulkServer } from "../support/bulk-server.js";
import { placeOf } from "./ledger.js";

/** Bytes of a document in which its identity stands, and of its end in which its place does. */
const HEAD = 8 * 1024;
const TAIL = 4 * 1024;
/** Who a document is: auditID and stage. */
export const IDENTITY = /"auditID":"([^"]*)","stage":"([^"]*)"/;
const PLACE = /"auditship":\{(?:[^{}]|\{[^{}]*\})*?"file":"([^"]+)","offset":(\d+)/;
const INVALID = /"invalid":\{"reason":"([^"]*)","length":(\d+)/;

/** A line that came as invalid: of its bytes only their place and number. */
interface InvalidDocument {
  file: string;
  offset: number;
  length: number;
}

/** A null Elasticsearch that keeps of each document only who it is and where it stood. */
export class Receiver {
  /** How often each event was stored, by {@link placeOf}. */
  readonly places = new Map<string, number>();
  /** How often each event was stored, by identity. */
  readonly identities = new Map<string, number>();
  readonly invalid: InvalidDocument[] = [];
  /** Stored documents that carry this mark, by identity. */
  readonly salvaged = new Set<string>();
  documents = 0;
  /** Called for each event that is stored. */
  onArrived: (identity: string) => void = () => {};
  /** Called for each document that is stored, before it is forgotten. */
  onDocument: (document: Buffer) => void = () => {};
  #bulk!: BulkServer;

  static async start(): Promise<Receiver> {
    const receiver = new Receiver();
    receiver.#bulk = await startBulkServer({ keep: false, onStored: (item) => receiver.#take(item) });
    return receiver;
  }

  get url(): string {
    return this.#bulk.url;
  }

  get problems(): string[] {
    return this.#bulk.problems;
  }

  /** Says what happens to requests; see {@link Script}. */
  set script(script: Script) {
    this.#bulk.script = script;
  }

  /** Takes what comes again. */
  accept(): void {
    this.#bulk.healthy = true;
    this.script = () => ({ do: "store" });
  }

  /** Refuses everything, as a cluster that is down. */
  refuse(): void {
    this.#bulk.healthy = false;
    this.script = () => ({ do: "status", status: 503 });
  }

  /** Items that were sent, over all requests: those that came again count again. */
  get sent(): number {
    let sum = 0;
    for (const count of this.#bulk.sent.values()) sum += count;
    return sum;
  }

  close(): Promise<void> {
    return this.#bulk.close();
  }

  #take({ document }: BulkItem): void {
    this.documents++;
    this.onDocument(document);
    const place = PLACE.exec(document.toString("latin1", Math.max(0, document.length - TAIL)));
    if (!place) {
      this.problems.push(`a document without a place: ${document.toString("latin1", 0, 200)}`);
      return;
    }
    const [file, offset] = [place[1], Number(place[2])];
    const identity = IDENTITY.exec(document.toString("latin1", 0, HEAD));
    if (identity) this.#event(file, offset, `${identity[1]}/${identity[2]}`);
    else this.#invalid(file, offset, document);
  }

  #event(file: string, offset: number, identity: string): void {
    count(this.places, placeOf(file, offset, identity));
    count(this.identities, identity);
    this.onArrived(identity);
  }

  #invalid(file: string, offset: number, document: Buffer): void {
    const told = INVALID.exec(document.toString("latin1"));
    if (told) this.invalid.push({ file, offset, length: Number(told[2]) });
    else this.problems.push(`neither an event nor invalid: ${document.toString("latin1", 0, 200)}`);
    this.onArrived("");
  }
}

const count = (map: Map<string, number>, key: string): void => void map.set(key, (map.get(key) ?? 0) + 1);
