import { DONE, fieldOfPath, type Host, type Request, type SendingSink, type Verdict } from "../../src/plugin/index.js";

/** A far end that notes the numbers of the events it got, and answers as told. */
export class FarEnd implements SendingSink {
  readonly mode = "send";
  readonly ordered = true;
  readonly gzip = true;
  readonly requests: number[][] = [];
  probes = 0;
  answer: (request: Request, numbers: number[]) => Verdict | Verdict[] | Promise<Verdict | Verdict[]> = () => DONE;
  reachable = true;
  encodeSafe?: SendingSink["encodeSafe"];

  encode(...[event, out]: Parameters<SendingSink["encode"]>): void {
    event.writeDocument(out);
    out.byte(0x0a);
  }

  async send(request: Request): Promise<Verdict | Verdict[]> {
    const numbers = Array.from({ length: request.count }, (_, index) => numberOf(request.item(index)));
    this.requests.push(numbers);
    return this.answer(request, numbers);
  }

  async probe(): Promise<void> {
    this.probes++;
    if (!this.reachable) throw new Error("connection refused");
  }

  get received(): number[] {
    return this.requests.flat();
  }
}

/** The number of an event made by `auditLine`. */
export const numberOf = (item: Uint8Array): number =>
  Number(/"auditID":"[0-9-]*?(\d{12})"/.exec(Buffer.from(item).toString())![1]);

/** A host that says nothing, and counts into a map under `metric label label`. */
export const quietHost = (name: string, counted = new Map<string, number>()): Host => ({
  name,
  log: { debug() {}, info() {}, warn() {}, error() {} },
  meter: {
    add: (name, value, ...labels) => {
      const key = [name, ...labels].join(" ");
      counted.set(key, (counted.get(key) ?? 0) + value);
    },
    set() {},
    observe() {},
  },
  cluster: "",
  node: "",
  labels: {},
  version: "0",
  resolve: (path) => path,
  signal: new AbortController().signal,
  now: Date.now,
  field: fieldOfPath,
});
