import { About, isReviewedToken, MAPS } from "./about.js";
import { isHarmlessAnnotation } from "./kept.js";
import { Names } from "./names.js";

/** Members with a meaning, by their names. */
export enum Key {
  kind = 1,
  metadata,
  name,
  value,
  data,
  stringData,
  binaryData,
  env,
  command,
  args,
  applied,
  token,
  request,
  certificate,
  path,
  annotations,
  message,
  /** Why a token's review failed. */
  error,
  extra,
  clientConfig,
  url,
  cells,
  patch,
  /** `items` and the like: an object with one contains objects, and is not one itself. */
  container,
  /** Members of every Secret that are not secret. */
  harmless,
  /** The registries of a docker config. */
  auths,
  /** A credential, in objects that are known to have some. */
  credential,
  /** Members of an operation of a JSON patch that hold no value. */
  op,
}

export const KEYS = new Names<Key>(
  new Map([
    ["kind", Key.kind],
    ["metadata", Key.metadata],
    ["name", Key.name],
    ["value", Key.value],
    ["data", Key.data],
    ["stringData", Key.stringData],
    ["binaryData", Key.binaryData],
    ["env", Key.env],
    ["httpHeaders", Key.env],
    ["args", Key.args],
    ["command", Key.command],
    ["kubectl.kubernetes.io/last-applied-configuration", Key.applied],
    ["token", Key.token],
    ["password", Key.credential],
    ["currentPassword", Key.credential],
    ["client-key-data", Key.credential],
    ["auth-provider", Key.credential],
    ["userData", Key.credential],
    ["userDataBase64", Key.credential],
    ["auths", Key.auths],
    ["op", Key.op],
    ["from", Key.op],
    ["request", Key.request],
    ["certificate", Key.certificate],
    ["path", Key.path],
    ["annotations", Key.annotations],
    ["message", Key.message],
    ["error", Key.error],
    ["extra", Key.extra],
    ["clientConfig", Key.clientConfig],
    ["url", Key.url],
    ["cells", Key.cells],
    ["patch", Key.patch],
    ["items", Key.container],
    ["rows", Key.container],
    ["object", Key.container],
    ["apiVersion", Key.harmless],
    ["type", Key.harmless],
    ["immutable", Key.harmless],
  ]),
);

/** The place of a value in an object, as far as it decides what happens to the value. */
export enum Place {
  plain,
  /** A secret in base64. */
  base64,
  /** A secret. */
  secret,
  /** A map of secrets in base64. */
  base64Map,
  /** A map of secrets. */
  secretMap,
  /** A list (or map) of environment variables. */
  env,
  /** One variable: `{name, value}`, or `NAME=value`. */
  variable,
  /** A list of arguments. */
  words,
  /** A single argument on its own. */
  word,
  /** JSON of an applied object, in a string. */
  applied,
  /** A Secret's metadata. */
  metadata,
  /** The annotations of a Secret. */
  annotations,
  /** A failure's message. */
  message,
  /** Further information from an authenticator about a user, as a map. */
  extra,
  /** A map from registries to their credentials. */
  registries,
  /** The credentials for one registry. */
  registry,
  /** Where a webhook is, and how to talk to it. */
  clientConfig,
  /** A URL whose query is hidden. */
  url,
  /** A row of a table of Secrets. */
  cells,
  /** A certificate request or a certificate: kept if it is that and nothing else. */
  request,
  certificate,
  /** A JSON patch, if it is an array. */
  patch,
}

/** The members of a Secret or ConfigMap. Anything else in it may be a misspelt `data`. */
export const IS_MEMBER: ReadonlySet<Key | 0> = new Set([
  ...[Key.kind, Key.metadata, Key.harmless],
  ...[Key.data, Key.stringData, Key.binaryData],
]);
/** The metadata members of an object or list. Anything else in a Secret's metadata may be misspelt `annotations`. */
const METADATA: ReadonlySet<string> = new Set([
  ...["name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp"],
  ...["deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers"],
  ...["managedFields", "clusterName", "continue", "remainingItemCount"],
]);
/** The secret members of a registry in a docker config. */
export const REGISTRY_CREDENTIALS: ReadonlySet<string> = new Set([
  "auth",
  "password",
  "identitytoken",
  "registrytoken",
]);
/** The place of the member `key` of an object. */
export function placeOf(key: Key | 0, about: number): Place {
  switch (key) {
    case Key.data:
      if (about & About.secret) return Place.base64Map;
      return about & About.configMap ? Place.secretMap : Place.plain;
    case Key.stringData:
      return about & MAPS ? Place.secretMap : Place.plain;
    case Key.binaryData:
      return about & MAPS ? Place.base64Map : Place.plain;
    case Key.env:
      return Place.env;
    case Key.command:
    case Key.args:
      return Place.words;
    case Key.applied:
      return Place.applied;
    case Key.token:
      return about & (About.token | About.credentials) ? Place.secret : Place.plain;
    case Key.credential:
      return about & About.credentials ? Place.secret : Place.plain;
    case Key.request:
      return about & About.certificate ? Place.request : Place.plain;
    case Key.certificate:
      return about & About.certificate ? Place.certificate : Place.plain;
    case Key.metadata:
      return about & MAPS ? Place.metadata : Place.plain;
    case Key.annotations:
      return about & MAPS ? Place.annotations : Place.plain;
    case Key.message:
      return about & About.status ? Place.message : Place.plain;
    case Key.error:
      return isReviewedToken(about) ? Place.message : Place.plain;
    case Key.extra:
      return about & About.review ? Place.extra : Place.plain;
    case Key.auths:
      return Place.registries;
    case Key.clientConfig:
      return Place.clientConfig;
    case Key.cells:
      return about & MAPS ? Place.cells : Place.plain;
    case Key.patch:
      return Place.patch;
    default:
      return Place.plain;
  }
}

/** The place of the member `name` of a Secret's metadata. */
export function placeInMetadata(name: string, about: number): Place {
  // `$patch` and the like say how to apply a patch.
  return METADATA.has(name) || name.startsWith("$") ? placeOf(KEYS.get(name), about) : Place.secret;
}

/** The place that the path of a JSON patch (RFC 6901, `~1` is `/`, `~0` is `~`) leads to. */
export function placeOfPath(path: string, about: number): Place {
  const segments = path.split("/").slice(1);
  const isMember = path === "" || (path.startsWith("/") && IS_MEMBER.has(KEYS.get(segments[0])));
  if (about & MAPS && !isMember) return Place.secret;
  let place = Place.plain;
  for (const escaped of segments) {
    const segment = escaped.replaceAll("~1", "/").replaceAll("~0", "~");
    place = placeBelow(place, segment, about);
  }
  return place;
}

function placeBelow(place: Place, segment: string, about: number): Place {
  switch (place) {
    case Place.base64Map:
      return Place.base64;
    case Place.secretMap:
    case Place.extra:
      return Place.secret;
    case Place.env:
      return /^(?:\d+|-)$/.test(segment) ? Place.variable : Place.secret;
    case Place.variable:
      return segment === "value" ? Place.secret : Place.plain;
    case Place.words:
      return Place.word;
    case Place.metadata:
      return placeInMetadata(segment, about);
    case Place.annotations:
      if (KEYS.get(segment) === Key.applied) return Place.applied;
      return isHarmlessAnnotation(segment) ? Place.plain : Place.secret;
    case Place.registries:
      return Place.registry;
    case Place.registry:
      return REGISTRY_CREDENTIALS.has(segment) ? Place.secret : Place.plain;
    case Place.clientConfig:
      return segment === "url" ? Place.url : Place.plain;
    case Place.plain:
      return placeOf(KEYS.get(segment), about);
    default:
      return place;
  }
}
