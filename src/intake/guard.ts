import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import type { FreshFile } from "../plugin/index.js";
import { sha256 } from "./receipts.js";

/** Who may post: whoever shows one of what is set. */
export interface GuardOptions {
  /** A client certificate of the CA that the server was given. */
  certificate: boolean;
  /** `Authorization: Bearer …`. */
  token: FreshFile | undefined;
}

/** True if whoever sent the request may post. Rejects if the token cannot be read. */
export async function admits(request: IncomingMessage, { certificate, token }: GuardOptions): Promise<boolean> {
  if (!certificate && !token) return true;
  if (certificate && request.socket instanceof TLSSocket && request.socket.authorized) return true;
  const shown = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  return token !== undefined && shown !== undefined && isEqual(shown, await token.text());
}

/** In a time that tells nothing of where they differ. */
function isEqual(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(sha256(Buffer.from(a))), Buffer.from(sha256(Buffer.from(b))));
}
