// Readable for Node 18: the scripts may be started by an older Node than the one that they run the tools with.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/[\\/]$/, "");

const bin = join(root, "node_modules", ".bin");

/**
 * The Node of this checkout, or else (on systems that it is not brought along for) the running one. Always started by its path: in
 * `node a && node b` the shell remembers where it found the first `node`, also when `a` has just installed a nearer one.
 */
export function localNode() {
  const local = join(bin, "node");
  return existsSync(local) ? local : process.execPath;
}

/** The environment in which `node` and the installed tools are those of this checkout. */
export function localEnvironment() {
  return { ...process.env, PATH: [bin, process.env.PATH].filter(Boolean).join(delimiter) };
}

/** @param {string} version */
export function isNewEnough(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > 24 || (major === 24 && minor >= 15);
}
