import { afterEach, beforeEach, vi } from "vitest";

/** Has the tests of a file or a group run with WebAssembly, whatever the environment says: they are about it. */
export function withWebAssembly(): void {
  beforeEach(() => void vi.stubEnv("AUDITSHIP_SCANNER", ""));
  afterEach(() => void vi.unstubAllEnvs());
}
