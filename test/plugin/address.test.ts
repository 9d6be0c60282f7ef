import { describe, expect, it } from "vitest";
import { address } from "../../src/plugin/address.js";

describe("an address to listen on", () => {
  it.each(["127.0.0.1:9110", ":6443", "[::1]:0", "localhost:65535", ":59999", ":60000", ":00080"])(
    "may be %s",
    (text) => {
      expect(address().safeParse(text).success).toBe(true);
    },
  );

  it.each(["9110", "localhost", "::1:9110", ":65536", ":70000", ":99999", ":655350", "a b:1", ""])(
    "is not %j",
    (text) => {
      expect(address().safeParse(text).success).toBe(false);
    },
  );
});
