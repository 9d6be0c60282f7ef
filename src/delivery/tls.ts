import type { ConnectionOptions } from "node:tls";
import type { HttpOptions } from "../plugin/index.js";
import { FreshFile } from "../plugin/index.js";

/** Gives the TLS options of the next connection: the same object until one of the files changes. */
export function createTls(
  tls: HttpOptions["tls"],
  resolve: (path: string) => string,
): () => ConnectionOptions | Promise<ConnectionOptions> {
  const file = (path: string | undefined, what: string) =>
    path === undefined ? undefined : new FreshFile(resolve(path), what);
  const files = [
    file(tls?.caFile, "tls.caFile"),
    file(tls?.certFile, "tls.certFile"),
    file(tls?.keyFile, "tls.keyFile"),
  ];
  const bundle = tls?.caBundle && Buffer.from(tls.caBundle, "base64").toString();
  const fixed = { ca: bundle, servername: tls?.serverName, rejectUnauthorized: !tls?.insecureSkipVerify };
  if (files.every((each) => each === undefined)) return () => fixed;
  let current: ConnectionOptions | undefined;
  return async () => {
    const [ca = bundle, cert, key] = await Promise.all(files.map((each) => each?.read()));
    if (!current || current.ca !== ca || current.cert !== cert || current.key !== key) {
      current = { ...fixed, ca, cert, key };
    }
    return current;
  };
}
