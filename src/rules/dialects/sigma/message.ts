import { type EventView, Field } from "../../../plugin/index.js";
import { render } from "../../render.js";
import type { Path } from "../../tree.js";

/** `Kubernetes Events Deleted: alice delete events shop/web`, followed by the fields that the rule wants shown. */
export function messageOf(title: string, fields: readonly Path[], event: EventView): string {
  const text = (field: Field): string => event.text(field) ?? "";
  const what = joined("/", text(Field.objectRefResource), text(Field.objectRefSubresource)) || text(Field.requestURI);
  const which = joined("/", text(Field.objectRefNamespace), text(Field.objectRefName));
  const shown = fields.map((path) => `${path.text}=${render(path, event)}`);
  const said = joined(" ", text(Field.userUsername), text(Field.verb), what, which);
  return joined(" ", `${title}:`, said, shown.length === 0 ? "" : `(${shown.join(", ")})`);
}

const joined = (separator: string, ...parts: string[]): string => parts.filter((part) => part !== "").join(separator);
