export { duration, rate, size } from "../plugin/units.js";
