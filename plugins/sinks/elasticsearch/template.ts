import type { Distribution } from "./mappings/types.js";
import { mappings, type ShapeName } from "./mappings.js";
import { MANAGED_BY, nameOf, patternPriority, TEMPLATE_VERSION } from "./names.js";
import type { Target } from "./target.js";

/** The composable index template. `policy` is the lifecycle policy that new indices of an Elasticsearch follow. */
export function indexTemplate(distribution: Distribution, target: Target, shape: ShapeName, policy?: string) {
  const lifecycle = policy !== undefined && distribution === "elasticsearch" ? { lifecycle: { name: policy } } : {};
  return {
    index_patterns: [target.pattern],
    ...(target.kind === "dataStream" && { data_stream: {} }),
    priority: patternPriority(target),
    version: TEMPLATE_VERSION,
    template: {
      settings: { index: { codec: "best_compression", ...lifecycle } },
      mappings: mappings(shape, distribution),
    },
    _meta: { managed_by: MANAGED_BY, version: TEMPLATE_VERSION },
  };
}

export const templatePath = (target: Target): string => `/_index_template/${nameOf(target)}`;
