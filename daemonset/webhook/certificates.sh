#!/usr/bin/env bash
# Makes the certificates of the agents that events are posted to, and the kubeconfig that kube-apiserver posts with.
#
#   ./certificates.sh ADDRESS [DIRECTORY]
#
# ADDRESS    how kube-apiserver reaches the Service: its cluster IP (kube-apiserver resolves no names of Services)
# DIRECTORY  where they are written; default: beside this script
# NAMESPACE  of the Service; default: kubesphere-logging-system
# DAYS       how long the certificates are valid; default: 365. The two CAs' keys are not kept: run it again for new ones.
#
#   tls.crt tls.key     of the agents, in the Secret auditship-webhook-tls
#   clients.crt         the CA of those who may post, there, too
#   audit-webhook.yaml  for kube-apiserver's --audit-webhook-config-file; holds its private key: 0600, on control-plane nodes only
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,/^set/p' "$0" | sed '$d;s/^# \{0,1\}//' >&2; exit 2; }
address=$1
directory=${2:-$(cd "$(dirname "$0")" && pwd)}
name=kube-auditing-webhook-svc.${NAMESPACE:-kubesphere-logging-system}.svc
days=${DAYS:-365}
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)

# certificate CA NAME SUBJECT EXTENSION: of a CA that is made for it.
certificate() {
  openssl req -x509 "${key[@]}" -keyout "$work/$1.key" -out "$work/$1.crt" -subj "/CN=$1" -days "$days" 2>/dev/null
  openssl req "${key[@]}" -keyout "$work/$2.key" -out "$work/$2.csr" -subj "$3" -addext "$4" 2>/dev/null
  openssl x509 -req -in "$work/$2.csr" -CA "$work/$1.crt" -CAkey "$work/$1.key" -CAcreateserial -copy_extensions copy \
    -days "$days" -out "$work/$2.crt" 2>/dev/null
}
certificate auditship-webhook-ca server "/CN=$name" "subjectAltName=DNS:$name,DNS:${name%.svc}"
certificate auditship-webhook-clients client "/CN=kube-apiserver" "extendedKeyUsage=clientAuth"

mkdir -p "$directory"
cp "$work/server.crt" "$directory/tls.crt"
cp "$work/server.key" "$directory/tls.key"
cp "$work/auditship-webhook-clients.crt" "$directory/clients.crt"
inline() { base64 <"$1" | tr -d '\n'; }
cat >"$directory/audit-webhook.yaml" <<END
apiVersion: v1
kind: Config
clusters:
  - name: auditship
    cluster:
      server: https://$address:6443/audit/webhook/event
      tls-server-name: $name
      certificate-authority-data: $(inline "$work/auditship-webhook-ca.crt")
users:
  - name: kube-apiserver
    user:
      client-certificate-data: $(inline "$work/client.crt")
      client-key-data: $(inline "$work/client.key")
contexts:
  - name: auditship
    context: { cluster: auditship, user: kube-apiserver }
current-context: auditship
END
echo "made $directory/{tls.crt,tls.key,clients.crt,audit-webhook.yaml}"
