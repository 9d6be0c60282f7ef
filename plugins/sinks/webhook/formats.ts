import type { Host } from "../../../src/plugin/index.js";
import { alertmanager } from "./alertmanager.js";
import { cloudevents } from "./cloudevents.js";
import { events } from "./events.js";
import { falco } from "./falco.js";
import type { Format } from "./format.js";
import { kubesphere } from "./kubesphere.js";

export const FORMATS = { events, cloudevents, kubesphere, falco, alertmanager } satisfies Record<
  string,
  (host: Host) => Format
>;
