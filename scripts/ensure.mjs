// Installs what the other scripts need, and only if something is missing. Runs under Node 18 and newer.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isNewEnough, localNode, root } from "./local-node.mjs";

const lockFile = join(root, "package-lock.json");
const installedFile = join(root, "node_modules", ".package-lock.json");
const hashFile = join(root, "node_modules", ".cox-lock-hash");

if (!existsSync(lockFile)) fail("package-lock.json is missing: restore it from git.");
const lock = readFileSync(lockFile, "utf8");
const hash = createHash("sha256").update(`${process.platform} ${process.arch}\n${lock}`).digest("hex");

const reason = whyInstall();
if (reason) install(reason);
if (localNode() === process.execPath && !isNewEnough(process.versions.node)) {
  fail(`Node 24.15 or newer is missing (this is ${process.versions.node}), and none is brought along for this system.`);
}

function whyInstall() {
  if (!existsSync(installedFile)) return "nothing is installed";
  if (existsSync(hashFile) && readFileSync(hashFile, "utf8") === hash) return undefined;
  if (!isInstalled()) return "package-lock.json has changed";
  writeFileSync(hashFile, hash); // somebody ran npm by hand
  return undefined;
}

/** Compares what npm says that it installed with what is locked. What is optional may be absent, unless it is made for this system. */
function isInstalled() {
  const locked = JSON.parse(lock).packages;
  const installed = JSON.parse(readFileSync(installedFile, "utf8")).packages;
  const same = Object.entries(locked).every(([path, entry]) => {
    if (!path.startsWith("node_modules/")) return true;
    const found = installed[path];
    if (!found) return entry.optional === true && !isForThisSystem(entry);
    return found.version === entry.version && found.integrity === entry.integrity;
  });
  return same && Object.keys(installed).every((path) => path in locked);
}

function isForThisSystem({ os, cpu, libc }) {
  if (libc && !libc.includes("glibc")) return false;
  return os !== undefined && [os].flat().includes(process.platform) && [cpu].flat().includes(process.arch);
}

function install(why) {
  console.log(`ensure: ${why}: running npm ci`);
  const npm = process.env.npm_execpath;
  const parameters = ["ci", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  const [command, args] = npm?.endsWith("npm-cli.js") ? [process.execPath, [npm, ...parameters]] : ["npm", parameters];
  const result = spawnSync(command, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  if (result.error?.code === "ENOENT") fail("npm is missing: install it (it comes with Node), then run this again.");
  if (result.error) fail(`npm could not be started: ${result.error.message}`);
  if (result.status !== 0) {
    const offline = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ENOTCACHED)\b/;
    process.stderr.write(result.stderr);
    if (offline.test(result.stderr)) fail("the network is missing: npm could not reach its registry, see above.");
    fail(`npm ci failed (${result.signal ?? `exit code ${result.status}`}), see above.`);
  }
  writeFileSync(hashFile, hash);
}

/** @returns {never} */
function fail(message) {
  console.error(`ensure: ${message}`);
  process.exit(1);
}
