import type { Host } from "../../../../src/plugin/index.js";
import type { ShapeName } from "../mappings.js";
import type { Target } from "../target.js";
import { Ecs } from "./ecs.js";
import { KubeSphere } from "./kubesphere.js";
import { native } from "./native.js";
import type { Shape } from "./shape.js";

const SHAPES: Record<ShapeName, (host: Host, target: Target) => Shape> = {
  native: () => native,
  kubesphere: (host) => new KubeSphere(host.cluster),
  ecs: (host, target) => new Ecs(host, target),
};

/** What writes documents in a shape. */
export const createShape = (name: ShapeName, host: Host, target: Target): Shape => SHAPES[name](host, target);
