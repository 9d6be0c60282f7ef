import { describe, expect, it } from "vitest";
import { scrubMessage } from "../../plugins/stages/redact/messages.js";

const scrub = (text: string) => scrubMessage(text, (secret) => `<${secret}>`);

describe("The message of a failure", () => {
  it.each([
    'secrets is forbidden: User "alice" cannot list resource "secrets" in API group "" in the namespace "kube-system"',
    'pods "target" is forbidden: User "bob" cannot create resource "pods/exec" in API group "" at the cluster scope',
    'users "admin" is forbidden: User "bob" cannot impersonate resource "users" in API group "" at the cluster scope',
    'deployments.apps "web" not found',
    'clusterroles.rbac.authorization.k8s.io "system:aggregate-to-admin" not found',
    'object is being deleted: namespaces "load-b" already exists',
    'Operation cannot be fulfilled on configmaps "kube-root": the object has been modified; please apply your changes',
    "the server could not find the requested resource",
    'ConfigMap in version "v1" cannot be handled as a ConfigMap',
    "couldn't get it, doesn't matter",
    "pods \"web\" is forbidden: ValidatingAdmissionPolicy 'no-root' with binding 'no-root-all' denied request: no",
  ])("keeps who, what and where: %s", (text) => {
    expect(scrub(text)).toBe(text);
  });

  it.each([
    [
      'Pod "n" is invalid: spec.x: Invalid value: "s3\\"cret": must be y',
      'Pod "n" is invalid: spec.x: Invalid value: "<s3"cret>": must be y',
    ],
    [
      "x.value: expected string, got &value.valueUnstructured{Value:31415}, y: expected map, got &{[1]}",
      "x.value: expected string, got <&value.valueUnstructured{Value:31415}, y: expected map, got &{[1]}>",
    ],
    [
      'v1.Value: ReadString: expects " or n, error found in #10 byte of ...|e":31415,"a|..., bigger context ...|"b"|...',
      'v1.Value: ReadString: expects "< or n, error found in #10 byte of >"<...|e":31415,"a|..., bigger context ...|"b"|...>',
    ],
    [
      'x: Unsupported value: "a": supported values: "b", "c"',
      'x: Unsupported value: "<a>": supported values: "<b>", "<c>"',
    ],
    ["spec: Invalid value: {a b}: no", "spec: Invalid value: <{a b}: no>"],
    [
      'admission webhook "v.example.com" denied the request: password "s3cret" is weak',
      'admission webhook "v.example.com" denied the request: password "<s3cret>" is weak',
    ],
    ["denied: password 's3cret' is weak", "denied: password '<s3cret>' is weak"],
    [
      "couldn't get version/kind; json parse error: invalid character 'n' ({s3cret)",
      "couldn't get version/kind; json parse error: <invalid character 'n' ({s3cret)>",
    ],
    ["json: cannot unmarshal number 12 into x", "json: cannot unmarshal <number 12 into x>"],
    ['no end: "s3cret', 'no end: "<s3cret>"'],
    ["join abcdef.0123456789abcdef failed", "join <abcdef.0123456789abcdef> failed"],
  ])("hides values: %s", (text, clean) => {
    expect(scrub(text)).toBe(clean);
  });
});
