import { ecs } from "./mappings/ecs.js";
import { kubesphere } from "./mappings/kubesphere.js";
import { native } from "./mappings/native.js";
import { type Distribution, free } from "./mappings/types.js";

/** Each shape's mappings. `body` is the type of an object with keys that users choose. */
const BY_SHAPE = { native, kubesphere, ecs } satisfies Record<string, (body: object) => object>;

/** A shape of documents, as `shape` of the sink names it. */
export type ShapeName = keyof typeof BY_SHAPE;

/** The mappings of an index that holds documents of a shape. */
export const mappings = (shape: ShapeName, distribution: Distribution): object => BY_SHAPE[shape](free(distribution));
