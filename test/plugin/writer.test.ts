import fc from "fast-check";
import { expect, it } from "vitest";
import { ByteWriter } from "../../src/plugin/index.js";

it("quotes what was appended as JSON.stringify does, and leaves alone what stands before", () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab"\\\n\t\u0000\u001f\u007fé😀{}/') });
  fc.assert(
    fc.property(fc.string(), text, text, (before, quoted, after) => {
      const out = new ByteWriter(1);
      out.text(before);
      const start = out.length;
      out.text(quoted);
      out.quote(start);
      out.text(after);
      const written = Buffer.from(out.view()).toString();
      const inner = written.slice(before.length, written.length - after.length);
      expect(written.startsWith(before) && written.endsWith(after)).toBe(true);
      expect(inner.startsWith('"') && JSON.parse(inner)).toBe(quoted);
    }),
  );
});
