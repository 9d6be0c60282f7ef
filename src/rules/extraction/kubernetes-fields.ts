import { Kind } from "../../plugin/index.js";
import { bodyOf, type FieldDefinition, one, type Texts } from "./field.js";
import { type Json, MAX_LEVELS, valueAt } from "./json.js";
import { queryParameter } from "./uri.js";

const absent = undefined;

/** A field that is exactly one value of the event: a scalar, or the items of an array. */
function value(name: string, ...path: string[]): FieldDefinition {
  return { ...at(path), name, read: (event) => one(valueAt(event, path)) };
}

function listOf(name: string, ...path: string[]): FieldDefinition {
  return { ...at(path), name, list: true, read: (event) => itemTexts(valueAt(event, path)) };
}

function at(path: readonly string[]): Pick<FieldDefinition, "path" | "looksAt"> {
  return { path, looksAt: bodyOf(path) };
}

/** A list without texts counts as absent. */
function some(texts: Texts): Texts {
  return texts?.length === 0 ? absent : texts;
}

function itemTexts(found: Json | undefined): Texts {
  return found?.kind === Kind.array ? some(found.items().map((item) => item.text())) : absent;
}

/** Undefined if something was missing on the path to it. */
type Found = Json | undefined;

/**
 * All values at a path. Of arrays on the path, every item is followed, or only the one at `index`. Undefined if there is no value
 * at all. Source: `getValuesRecursive` of k8saudit's extract.go.
 */
function valuesAt(start: Json, index: number | undefined, path: readonly string[], level = 0): Found[] | undefined {
  if (level > MAX_LEVELS) return undefined;
  let found: Json = start;
  for (const [depth, key] of path.entries()) {
    if (found.kind === Kind.array) {
      const items = found.items();
      if (index === undefined) {
        const rest = path.slice(depth);
        return items.flatMap((item) => valuesAt(item, index, rest, level + 1) ?? [undefined]);
      }
      if (index >= items.length) return undefined;
      found = items[index];
    }
    const next = key === "" ? found : found.get(key);
    if (next === undefined) return undefined;
    found = next;
  }
  return [found];
}

const texts = (found: readonly Found[]): string[] => found.flatMap((each) => (each ? [each.text()] : []));

function indexOf(argument: string | undefined): number | undefined {
  return argument === undefined ? undefined : Number(argument);
}

/** A list field below an object of the request; its index selects items of arrays on the path. */
function listBelow(
  name: string,
  path: readonly string[],
  read: (found: readonly Found[], event: Json) => Texts = texts,
): FieldDefinition {
  return {
    name,
    list: true,
    argument: "index",
    looksAt: "requestObject",
    read: (event, argument) => {
      const found = valuesAt(event, indexOf(argument), ["requestObject", ...path]);
      return found === undefined ? absent : some(read(found, event));
    },
  };
}

/** Undefined if any container lacks the value. */
function allTexts(found: readonly Found[]): string[] | undefined {
  return found.every((each) => each !== undefined) ? texts(found) : undefined;
}

/** `registry/name` of `registry/name:tag@digest`: everything before the first colon, even if that is before a registry's port. */
function repository(image: string): string {
  return image.split(":")[0].split("@")[0];
}

/** Arrays of strings, each joined by spaces; absent if any value is something else. */
function joinedWords(found: readonly Found[]): Texts {
  const lines: string[] = [];
  for (const each of found) {
    if (each === undefined) continue;
    const words = each.kind === Kind.array ? each.items() : undefined;
    if (!words?.every((word) => word.kind === Kind.string)) return absent;
    lines.push(words.map((word) => word.text()).join(" "));
  }
  return lines;
}

function hostPorts(found: readonly Found[]): Texts {
  const ports: string[] = [];
  for (const each of found) {
    if (each === undefined) continue;
    if (each.kind !== Kind.array) return absent;
    for (const port of each.items()) {
      const number = port.get("hostPort") ?? port.get("containerPort");
      if (number) ports.push(number.text());
    }
  }
  return ports;
}

/** Fields of the containers in one of a pod's three lists. */
function containerFields(list: string): FieldDefinition[] {
  const field = (name: string, path: string[], read?: (found: readonly Found[], event: Json) => Texts) =>
    listBelow(`ka.req.pod.${list}.${name}`, ["spec", list, ...path], read);
  const secured = (name: string, ...path: string[]) => field(name, ["securityContext", ...path]);
  // As in upstream, neither of the two is looked for in a security context.
  const effective = (name: string, key: string) =>
    field(name, [key], (found, event) => {
      const fallback = valueAt(event, ["requestObject", "spec", key])?.text() ?? "0";
      return found.map((each) => each?.text() ?? fallback);
    });
  return [
    field("args", ["args"], joinedWords),
    field("command", ["command"], joinedWords),
    field("name", ["name"], allTexts),
    field("image", ["image"], allTexts),
    field("image.repository", ["image"], (found) => allTexts(found)?.map(repository)),
    field("host_port", ["ports"], hostPorts),
    secured("privileged", "privileged"),
    secured("allow_privilege_escalation", "allowPrivilegeEscalation"),
    secured("read_only_fs", "readOnlyRootFilesystem"),
    secured("run_as_user", "runAsUser"),
    effective("eff_run_as_user", "runAsUser"),
    secured("run_as_group", "runAsGroup"),
    effective("eff_run_as_group", "runAsGroup"),
    secured("proc_mount", "procMount"),
    secured("add_capabilities", "capabilities", "add"),
  ];
}

/** The items of an array in each of a role's rules. */
function roleField(name: string, key: string): FieldDefinition {
  return listBelow(name, ["rules", key], (found) =>
    found.flatMap((each) => (each?.kind === Kind.array ? texts(each.items()) : [])),
  );
}

/** The names of a binding's subjects of one kind. */
function subjectNames(name: string, kind: string, withNamespace = false): FieldDefinition {
  return {
    name: `ka.req.binding.subjects.${name}`,
    list: true,
    looksAt: "requestObject",
    read: (event) => {
      const subjects = valueAt(event, ["requestObject", "subjects"]);
      if (subjects?.kind !== Kind.array) return absent;
      return some(
        subjects.items().flatMap((subject) => {
          const subjectName = subject.get("name");
          if (subjectName === undefined || subject.get("kind")?.text() !== kind) return [];
          if (!withNamespace) return [subjectName.text()];
          const namespace = subject.get("namespace");
          return namespace === undefined ? [] : [`${namespace.text()}:${subjectName.text()}`];
        }),
      );
    },
  };
}

const spec = (...path: string[]): string[] => ["requestObject", "spec", ...path];
const annotation = (name: string, key: string): FieldDefinition => value(name, "annotations", key);

const FIRST_IMAGE = ["requestObject", "spec", "containers", "image"];

function firstImage(event: Json): string | undefined {
  return valuesAt(event, 0, FIRST_IMAGE)?.[0]?.text();
}

/** The fields of the plugin k8saudit 0.18.0, from its `fields.go` and `extract.go`. */
export const KUBERNETES_FIELDS: readonly FieldDefinition[] = [
  value("ka.auditid", "auditID"),
  value("ka.stage", "stage"),
  annotation("ka.auth.decision", "authorization.k8s.io/decision"),
  annotation("ka.auth.reason", "authorization.k8s.io/reason"),
  annotation("ka.auth.openshift.decision", "authentication.openshift.io/decision"),
  annotation("ka.auth.openshift.username", "authentication.openshift.io/username"),
  annotation("ka.validations.admission.policy.failure", "validation.policy.admission.k8s.io/validation_failure"),
  annotation("ka.security.pod.violations", "pod-security.kubernetes.io/audit-violations"),
  annotation("ka.cluster.name", "cluster_name"),
  value("ka.user.name", "user", "username"),
  listOf("ka.user.groups", "user", "groups"),
  value("ka.impuser.name", "impersonatedUser", "username"),
  value("ka.verb", "verb"),
  value("ka.uri", "requestURI"),
  {
    name: "ka.uri.param",
    argument: "key",
    argumentRequired: true,
    read: (event, argument = "") => {
      const uri = event.get("requestURI");
      const found = uri && queryParameter(uri.text(), argument);
      return found === undefined ? absent : [cString(found)];
    },
  },
  value("ka.target.name", "objectRef", "name"),
  value("ka.target.namespace", "objectRef", "namespace"),
  value("ka.target.resource", "objectRef", "resource"),
  value("ka.target.subresource", "objectRef", "subresource"),
  {
    name: "ka.target.pod.name",
    looksAt: "responseObject",
    read: (event) => {
      const isPod = stringAt(event, "resource") === "pods" && stringAt(event, "subresource") === "";
      return isPod ? one(valueAt(event, ["responseObject", "metadata", "name"])) : absent;
    },
  },
  value("ka.useragent", "userAgent"),
  value("ka.response.code", "responseStatus", "code"),
  value("ka.response.reason", "responseStatus", "reason"),
  value("ka.resp.name", "responseObject", "metadata", "name"),
  // Upstream looks for the addresses in a role's rules, so it never finds any.
  roleField("ka.sourceips", "sourceIPs"),

  listOf("ka.req.binding.subjects", "requestObject", "subjects"),
  subjectNames("user_names", "User"),
  subjectNames("serviceaccount_names", "ServiceAccount"),
  subjectNames("serviceaccount_ns_names", "ServiceAccount", true),
  subjectNames("group_names", "Group"),
  value("ka.req.binding.role", "requestObject", "roleRef", "name"),
  { name: "ka.req.binding.subject.has_name", argument: "key", argumentRequired: true, read: () => ["true"] },
  value("ka.req.configmap.name", "objectRef", "name"),
  value("ka.req.configmap.obj", "requestObject", "data"),

  value("ka.req.pod.host_ipc", ...spec("hostIPC")),
  value("ka.req.pod.host_network", ...spec("hostNetwork")),
  value("ka.req.container.host_network", ...spec("hostNetwork")),
  value("ka.req.pod.host_pid", ...spec("hostPID")),
  value("ka.req.pod.run_as_user", ...spec("securityContext", "runAsUser")),
  value("ka.req.pod.run_as_group", ...spec("securityContext", "runAsGroup")),
  value("ka.req.pod.fs_group", ...spec("securityContext", "fsGroup")),
  listOf("ka.req.pod.supplemental_groups", ...spec("securityContext", "supplementalGroups")),
  ...["containers", "initContainers", "ephemeralContainers"]
    .flatMap(containerFields)
    .filter(({ name }) => name !== "ka.req.pod.ephemeralContainers.host_port"),
  {
    name: "ka.req.container.image",
    looksAt: "requestObject",
    read: (event) => {
      const image = firstImage(event);
      return image === undefined ? absent : [image];
    },
  },
  {
    name: "ka.req.container.image.repository",
    looksAt: "requestObject",
    read: (event) => {
      const image = firstImage(event);
      return image === undefined ? absent : [repository(image)];
    },
  },
  {
    name: "ka.req.container.privileged",
    looksAt: "requestObject",
    read: (event) => {
      const path = spec("containers", "securityContext", "privileged");
      const found = valuesAt(event, undefined, path);
      return found && [String(found.some((each) => each?.kind === Kind.true))];
    },
  },

  listOf("ka.req.role.rules", "requestObject", "rules"),
  roleField("ka.req.role.rules.apiGroups", "apiGroups"),
  roleField("ka.req.role.rules.nonResourceURLs", "nonResourceURLs"),
  roleField("ka.req.role.rules.verbs", "verbs"),
  roleField("ka.req.role.rules.resources", "resources"),

  value("ka.req.service.type", ...spec("type")),
  listBelow("ka.req.service.ports", ["spec", "ports"]),
  listBelow("ka.req.pod.volumes.hostpath", ["spec", "volumes", "hostPath", "path"]),
  listBelow("ka.req.pod.volumes.flexvolume_driver", ["spec", "volumes", "flexVolume", "driver"]),
  listBelow("ka.req.pod.volumes.volume_type", ["spec", "volumes", ""], (found) =>
    found.flatMap((each) => each?.keys().filter((key) => key !== "name") ?? []),
  ),
  {
    name: "ka.req.volume.hostpath",
    argument: "key",
    argumentRequired: true,
    looksAt: "requestObject",
    read: (event, argument = "") => {
      const found = valuesAt(event, undefined, spec("volumes", "hostPath", "path"));
      if (found === undefined || argument === "") return absent;
      const prefix = argument.endsWith("*") ? argument.slice(0, -1) : undefined;
      const matches = (path: string) => path === argument || (prefix !== undefined && path.startsWith(prefix));
      return [String(texts(found).some(matches))];
    },
  },
];

function stringAt(event: Json, key: string): string {
  const found = valueAt(event, ["objectRef", key]);
  return found?.kind === Kind.string ? found.text() : "";
}

/** The text up to a NUL, where the engine's strings end. */
function cString(text: string): string {
  const nul = text.indexOf("\0");
  return nul < 0 ? text : text.slice(0, nul);
}
