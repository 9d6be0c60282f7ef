import { z } from "zod";

/** Its port is a number up to 65535. */
const ADDRESS = /^(\[[\da-fA-F:.]+\]|[^\s:]*):([0-5]?\d{1,4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])$/;

/** Where a server listens. */
export const address = () => z.string().regex(ADDRESS, "expected host:port, :port or [IPv6]:port, a port up to 65535");
