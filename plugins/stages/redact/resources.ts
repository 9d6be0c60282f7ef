import { type Batch, Field, NUMBERED, NUMBERS, ROW_HEADER, ROW_WORDS } from "../../../src/plugin/index.js";
import { About } from "./about.js";

/** What the bodies of a resource are about, whatever kind they name. They are always walked. */
const SENSITIVE = new Map<string, number>([
  ["secrets", About.secret],
  ["configmaps", About.configMap],
  ["tokenreviews", About.token | About.review],
  ["serviceaccounts", About.token],
  ["certificatesigningrequests", About.certificate | About.review],
  ["selfsubjectreviews", About.review],
  ["selfsubjectaccessreviews", About.review],
  ["subjectaccessreviews", About.review],
  ["localsubjectaccessreviews", About.review],
  // KubeSphere's users and clusters, Rancher's tokens, Cluster API's bootstrap tokens, KubeVirt's cloud-init.
  ["users", About.credentials],
  ["clusters", About.credentials],
  ["tokens", About.credentials],
  ["kubeadmconfigs", About.credentials],
  ["virtualmachines", About.credentials],
  ["virtualmachineinstances", About.credentials],
]);

const COLUMN = NUMBERED.indexOf(Field.objectRefResource);
const START = ROW_HEADER + 2 * Field.objectRefResource;

/** Tells what the bodies of an event are about, by its resource. */
export class Resources {
  #numbering: object | undefined;
  /** {@link About} bits plus one, by the number of the resource's name; 0 if it has not been looked up yet. */
  readonly #known = new Uint8Array(NUMBERS);

  /** @param configMaps whether ConfigMaps are redacted like Secrets */
  constructor(private readonly configMaps: boolean) {}

  /** {@link About} bits. */
  of(batch: Batch, row: number): number {
    if (batch.table[row * ROW_WORDS + START] === 0) return About.nothing;
    const number = batch.numbers[row * NUMBERED.length + COLUMN];
    if (number === 0) return this.#read(batch, row);
    if (batch.numbering !== this.#numbering) {
      this.#numbering = batch.numbering;
      this.#known.fill(0);
    }
    if (this.#known[number] === 0) this.#known[number] = this.#read(batch, row) + 1;
    return this.#known[number] - 1;
  }

  #read(batch: Batch, row: number): number {
    const about = SENSITIVE.get(batch.at(row).text(Field.objectRefResource) ?? "") ?? About.nothing;
    return about === About.configMap && !this.configMaps ? About.nothing : about;
  }
}
