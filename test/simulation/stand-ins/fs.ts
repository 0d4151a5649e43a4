/** `node:fs` on the simulated disk. What is outside of it (the roles that come along) is read from the real one. */
import * as real from "node:fs";
import { DiskError, type Entry } from "../disk.ts";
import { world } from "../world.ts";

export const { constants } = real;

interface Open {
  path: string;
  entry: Entry;
}

const open = new Map<number, Open>();
let descriptors = 1000;

const isOurs = (path: string) => path.startsWith("/sim/");

export class Stats {
  readonly dev = 1;
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly mode: number;
  private readonly folder: boolean;

  constructor(entry: Entry) {
    this.ino = entry.ino;
    this.size = entry.names ? 0 : entry.data.length;
    this.mtimeMs = entry.mtimeMs;
    this.ctimeMs = entry.ctimeMs;
    this.mode = entry.mode;
    this.folder = entry.names !== undefined;
  }

  isFile = () => !this.folder;
  isDirectory = () => this.folder;
  isSymbolicLink = () => false;
  isFIFO = () => false;
  isSocket = () => false;
}

export function lstatSync(path: string, options: { throwIfNoEntry?: boolean } = {}): Stats | undefined {
  world().pass();
  const entry = world().disk.find(path);
  if (entry) return new Stats(entry);
  if (options.throwIfNoEntry === false) return undefined;
  throw new DiskError("ENOENT", path);
}

export function statSync(path: string, options: { throwIfNoEntry?: boolean } = {}): Stats | undefined {
  return lstatSync(path, options); // there are no links
}

export function existsSync(path: string): boolean {
  if (!isOurs(path)) return real.existsSync(path);
  world().pass();
  try {
    return world().disk.find(path) !== undefined;
  } catch {
    return false;
  }
}

export function accessSync(path: string): void {
  lstatSync(path);
}

export function realpathSync(path: string): string {
  lstatSync(path);
  return path;
}

export function readdirSync(path: string, options?: { withFileTypes?: boolean }): unknown[] {
  world().passFailing(path);
  const names = [...world().disk.folder(path)];
  if (!options?.withFileTypes) return names.map(([name]) => name);
  return names.map(([name, { names: inner }]) => ({ name, isDirectory: () => inner !== undefined }));
}

export function mkdirSync(path: string, options: { recursive?: boolean } = {}): string | undefined {
  world().pass();
  if (!options.recursive && world().disk.find(path)) throw new DiskError("EEXIST", path);
  return world().disk.makeFolders(path);
}

export function renameSync(from: string, to: string): void {
  world().passFailing(from);
  world().disk.rename(from, to);
}

export function linkSync(from: string, to: string): void {
  world().pass();
  world().disk.link(from, to);
}

export function rmSync(path: string, options: { force?: boolean; recursive?: boolean } = {}): void {
  world().pass();
  const { disk } = world();
  if (disk.find(path)) disk.remove(path);
  else if (!options.force) throw new DiskError("ENOENT", path);
}

/** What `open(2)` does with these flags, as numbers or as Node's letters. */
export function opened(path: string, flags: number | string): Entry {
  const { disk } = world();
  const writes = typeof flags === "string" ? /[wa]/.test(flags) : (flags & constants.O_CREAT) !== 0;
  const alone = typeof flags === "string" ? flags.includes("x") : (flags & constants.O_EXCL) !== 0;
  const entry = disk.find(path);
  if (entry && alone) throw new DiskError("EEXIST", path);
  if (!entry && !writes) throw new DiskError("ENOENT", path);
  return entry ?? disk.create(path);
}

export function openSync(path: string, flags: number | string = "r"): number {
  world().passFailing(path);
  open.set(++descriptors, { path, entry: opened(path, flags) });
  return descriptors;
}

/** Also what the promises' handles are known by. */
export function remember(path: string, entry: Entry): number {
  open.set(++descriptors, { path, entry });
  return descriptors;
}

export function closeSync(descriptor: number): void {
  open.delete(descriptor);
}

export function fstatSync(descriptor: number): Stats {
  world().pass();
  const file = open.get(descriptor);
  if (!file) throw new DiskError("EBADF", String(descriptor));
  return new Stats(file.entry);
}

export function readSync(descriptor: number, buffer: Buffer, offset: number, length: number, position: number): number {
  world().pass();
  return open.get(descriptor)?.entry.data.copy(buffer, offset, position, position + length) ?? 0;
}

export function readFileSync(path: string | URL, encoding?: string): Buffer | string {
  if (typeof path !== "string" || !isOurs(path)) return real.readFileSync(path, encoding as "utf8");
  world().passFailing(path);
  const { data } = world().disk.file(path);
  return encoding ? data.toString("utf8") : data;
}

export function writeFileSync(path: string, content: string | Buffer, options: { flag?: string } = {}): void {
  world().passFailing(path);
  write(path, content, options.flag ?? "w");
}

export function write(path: string, content: string | Buffer, flag: string): void {
  const { disk } = world();
  const entry = opened(path, flag);
  const bytes = Buffer.from(content);
  const whole = flag.startsWith("a") ? Buffer.concat([entry.data, bytes]) : bytes;
  if (whole.length > 0 || entry.data.length > 0) disk.write(path, entry, whole);
}
