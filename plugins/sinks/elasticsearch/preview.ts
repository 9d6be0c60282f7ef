import { type Kept, lifecycleOf, needsLifecycle } from "./lifecycle.js";
import type { Distribution } from "./mappings/types.js";
import type { ShapeName } from "./mappings.js";
import { indexTemplate, templatePath } from "./template.js";

/** What is set up for a sink. */
export interface SetupOptions extends Kept {
  shape: ShapeName;
}

/** What `setup` would send to either kind of server that has lifecycle policies, as their consoles take it. */
export function preview(options: SetupOptions): string {
  return (["elasticsearch", "opensearch"] as const).map((distribution) => previewAt(distribution, options)).join("\n");
}

function previewAt(distribution: Distribution, options: SetupOptions): string {
  const lifecycle = needsLifecycle(options) ? lifecycleOf(distribution, options) : undefined;
  const template = indexTemplate(distribution, options.target, options.shape, lifecycle?.name);
  const requests = [...(lifecycle ? [lifecycle] : []), { path: templatePath(options.target), body: template }];
  const title = distribution === "opensearch" ? "# OpenSearch" : "# Elasticsearch";
  return [title, ...requests.map(({ path, body }) => `PUT ${path}\n${JSON.stringify(body, null, 2)}\n`)].join("\n");
}
