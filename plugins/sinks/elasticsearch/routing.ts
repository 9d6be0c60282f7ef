import { AuditshipError, type EventView, type Field, type SinkHost } from "../../../src/plugin/index.js";

/** What stands for itself in JSON and in a URL's list of routings. */
const PLAIN = /^[\w.:@/-]{1,200}$/;

/** Gives an event's routing, undefined if it has none: the value of a field, which decides the shard. */
export type Routing = (event: EventView) => string | undefined;

/** Routes by the field at `path`. Throws AUDITSHIP_CONFIG_VALUE if there is no such field. */
export function routingBy(path: string, host: Pick<SinkHost, "field">): Routing {
  const field: Field | undefined = host.field(path);
  if (field === undefined) {
    throw new AuditshipError(
      "AUDITSHIP_CONFIG_VALUE",
      `routing: ${path} is no field of an audit event; give one like objectRef.namespace.`,
    );
  }
  return (event) => {
    const value = event.text(field);
    return value !== undefined && PLAIN.test(value) ? value : undefined;
  };
}
