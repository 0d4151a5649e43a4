/** A daemon whose clock on the wall is set by the test. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Workshop } from "./workshop.ts";

export const HOUR = 3_600_000;

/** The daemon's clock is ahead by what stands in a file, in ms. */
export function setClock(shop: Workshop, ms: number): void {
  writeFileSync(join(shop.home, "ahead"), String(ms));
}

export function clockThatIsSet(shop: Workshop): void {
  setClock(shop, 0);
  const module = join(shop.root, "clock.mjs");
  const source = `import { readFileSync } from "node:fs";
    const Real = Date;
    const now = () => Real.now() + Number(readFileSync(${JSON.stringify(join(shop.home, "ahead"))}, "utf8"));
    globalThis.Date = class extends Real {
      constructor(...of) { super(...(of.length === 0 ? [now()] : of)); }
      static now() { return now(); }
    };`;
  writeFileSync(module, source);
  shop.env["NODE_OPTIONS"] = `--import ${pathToFileURL(module).href}`;
}
