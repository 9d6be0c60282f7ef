import { createServer, type Server, type ServerResponse } from "node:http";
import { listen } from "../support/listen.js";

/** What a peer does with a request: true if it takes it, and says so; false if it has answered otherwise, or does not. */
export type Behaviour = (body: string, response: ServerResponse) => boolean | Promise<boolean>;

/** The far end of a webhook, or of alerts. */
export class Peer {
  behave: Behaviour = () => true;
  /** Called with each body that it took. */
  onTaken: (body: string) => void = () => {};
  url = "";
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request.setEncoding("utf8")) body += chunk;
      if (request.method === "POST" && !(await this.behave(body, response))) return;
      if (request.method === "POST") this.onTaken(body);
      response.end("{}");
    });
  }

  static async start(): Promise<Peer> {
    const peer = new Peer();
    peer.url = await listen(peer.#server);
    return peer;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** A webhook's far end in the format `events`, and how often it took each event, by `auditID/stage`. */
export async function hook(): Promise<{ peer: Peer; taken: Map<string, number> }> {
  const peer = await Peer.start();
  const taken = new Map<string, number>();
  peer.onTaken = (body) => {
    for (const { auditID, stage } of (JSON.parse(body) as { items: { auditID: string; stage: string }[] }).items) {
      const identity = `${auditID}/${stage}`;
      taken.set(identity, (taken.get(identity) ?? 0) + 1);
    }
  };
  return { peer, taken };
}

/** An Alertmanager, and the last that it was told of each alert: its annotations, by its name. */
export async function alertmanager(): Promise<{ peer: Peer; alerts: Map<string, Record<string, string>> }> {
  const peer = await Peer.start();
  const alerts = new Map<string, Record<string, string>>();
  type Alert = { labels: Record<string, string>; annotations: Record<string, string> };
  peer.onTaken = (body) => {
    for (const { labels, annotations } of JSON.parse(body) as Alert[]) alerts.set(labels.alertname, annotations);
  };
  return { peer, alerts };
}
