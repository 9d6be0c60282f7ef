export { fileSource as default } from "./source.js";
