/** What a plugin author imports: `import { defineSink } from "auditship/plugin"`. See docs/plugins.md. */
export * from "./batch.js";
export * from "./error.js";
export * from "./event.js";
export * from "./field.js";
export * from "./host.js";
export * from "./http.js";
export * from "./match.js";
export * from "./position.js";
export * from "./registry.js";
export * from "./sink.js";
export * from "./source.js";
export * from "./stage.js";
export * from "./tape.js";
export * from "./units.js";
export * from "./verdict.js";
export * from "./writer.js";
