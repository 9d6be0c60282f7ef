import { once } from "node:events";
import { connect } from "node:net";

/** "log audit" of RFC 5424, table 1. */
const FACILITY = 13;

/** RFC 5424's severities (debug 7 … emergency 0) by the rank of a match; notice is none of ours. */
const SEVERITY = [7, 6, 4, 3, 2, 1, 0];

/** The rank of an event that no rule matched. */
const INFORMATIONAL = 1;

/**
 * Sends each event as one syslog message over TCP (RFC 5424, one message a line: RFC 6587 §3.4.2).
 * @type {import("auditship/plugin").SinkPlugin}
 */
export default {
  kind: "sink",
  name: "syslog",

  options: (zod) =>
    zod.strictObject({
      host: zod.string().default("127.0.0.1").describe("Where the syslog server listens."),
      port: zod.number().int().min(1).max(65_535).default(514).describe("Its TCP port."),
    }),

  defaults: { select: "alerting", maxWait: 50 },

  create(options, host) {
    const node = printable(host.node);
    /** @type {import("node:net").Socket | undefined} */
    let socket;

    const connection = async (signal) => {
      if (socket?.writable) return socket;
      const opening = connect({ host: options.host, port: options.port });
      try {
        await once(opening, "connect", { signal });
      } catch (error) {
        opening.destroy();
        throw error;
      }
      // Errors of an idle connection are found by the next send; without a listener they would end the agent.
      opening.on("error", () => {});
      opening.on("end", () => opening.destroy());
      opening.resume();
      socket = opening;
      return opening;
    };

    return {
      mode: "send",
      ordered: true,
      gzip: false,

      encode(event, out) {
        const matches = event.matches();
        const rank = matches.length > 0 ? Math.max(...matches.map((match) => match.rank)) : INFORMATIONAL;
        const priority = FACILITY * 8 + SEVERITY[rank];
        const time = new Date(event.timeMs()).toISOString();
        out.text(`<${priority}>1 ${time} ${node} auditship - audit - `);
        event.writeDocument(out, { id: true });
        out.byte(0x0a);
      },

      /** Syslog answers nothing: what the system took for this connection counts as delivered. */
      async send(request, signal) {
        const open = await connection(signal);
        await new Promise((resolve, reject) => {
          const abort = () => open.destroy(new Error("the agent gave up waiting for the syslog server"));
          signal.addEventListener("abort", abort, { once: true });
          open.write(request.body, (error) => {
            signal.removeEventListener("abort", abort);
            error ? reject(error) : resolve(undefined);
          });
        });
        return { kind: "done" };
      },

      async probe(signal) {
        await connection(signal);
      },

      close() {
        socket?.end();
      },
    };
  },
};

/** A HOSTNAME of RFC 5424: printable ASCII without spaces, "-" if there is none. */
function printable(name) {
  return name.replace(/[^\x21-\x7e]/g, "").slice(0, 255) || "-";
}
