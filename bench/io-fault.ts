/**
 * Loaded before a daemon (`--import`): its file operations under a folder are counted, and from one on they fail, once or for
 * as long as a file is there. `COX_IO_FAULT` is {@link Fault} as JSON. Of what was to be written whole, half is written.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

export interface Fault {
  code: "ENOSPC" | "EIO";
  /** The first operation that fails, counted from 1; 0: none does. */
  at: number;
  once: boolean;
  /** Operations on what is in there count. */
  under: string[];
  /** No operation fails any more once this file is gone. */
  while: string;
  /** Gets the number of operations at the end, and a line for each that failed. */
  told: string;
}

type Call = (...args: unknown[]) => unknown;
type Functions = Record<string, Call>;

const given = process.env["COX_IO_FAULT"];
if (given) install(JSON.parse(given) as Fault);

function install(fault: Fault): void {
  const { existsSync, readlinkSync, appendFileSync, writeSync } = fs;
  let count = 0;

  const pathOf = (what: unknown): string => {
    if (typeof what === "string") return what;
    const fd = typeof what === "number" ? what : (what as { fd?: unknown } | null)?.fd;
    if (typeof fd !== "number") return "";
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  };
  /** The error that this operation is to fail with. */
  const strikes = (name: string, what: unknown): NodeJS.ErrnoException | undefined => {
    const path = pathOf(what);
    if (!fault.under.some((folder) => path.startsWith(`${folder}/`))) return undefined;
    count++;
    if (fault.at === 0 || count < fault.at || (fault.once && count > fault.at) || !existsSync(fault.while))
      return undefined;
    const { code } = fault;
    appendFileSync(fault.told, `${count} ${code} ${name} ${path}\n`);
    const errno = code === "EIO" ? -5 : -28;
    return Object.assign(new Error(`${code}: i/o fault, ${name} '${path}'`), { code, errno, syscall: name, path });
  };
  const half = (content: unknown) => {
    const bytes = Buffer.from(content as string);
    return bytes.subarray(0, bytes.length / 2);
  };

  const patch = (of: Functions, names: readonly string[], how: (real: Call, name: string) => Call) => {
    for (const name of names) {
      const real = of[name];
      if (real) of[name] = how(real, name);
    }
  };
  const throwing = (real: Call, name: string): Call =>
    function (this: unknown, ...args) {
      const error = strikes(name, args[0]);
      if (!error) return real.apply(this, args);
      if (name === "writeFileSync" && typeof args[0] === "string") real(args[0], half(args[1]), args[2]);
      throw error;
    };
  const rejecting = (real: Call, name: string): Call =>
    async function (this: unknown, ...args) {
      const error = strikes(name, typeof args[0] === "string" && !isHandle(this) ? args[0] : this);
      if (!error) return real.apply(this, args);
      if (name === "writeFile")
        await real.apply(this, isHandle(this) ? [half(args[0])] : [args[0], half(args[1]), args[2]]);
      throw error;
    };
  const calling = (real: Call, name: string): Call =>
    function (this: unknown, ...args) {
      const error = strikes(name, args[0]);
      const told = args.at(-1);
      if (error && typeof told === "function") setImmediate(() => (told as Call)(error));
      else real.apply(this, args);
    };

  const written = [
    "writeFile",
    "appendFile",
    "mkdir",
    "rename",
    "link",
    "copyFile",
    "write",
    "fsync",
    "fdatasync",
    "ftruncate",
  ];
  const read = fault.code === "EIO" ? ["readFile", "readdir", "read", "lstat", "stat"] : [];
  const names = [...written, "open", ...read];
  const functions = fs as unknown as Functions;
  patch(
    functions,
    names.map((name) => `${name}Sync`),
    throwing,
  );
  patch(functions, ["open", "write", "fsync", "rename", "writeFile"], calling);
  patch(fs.promises as unknown as Functions, names, rejecting);
  void fs.promises.open("/dev/null", "r").then(async (handle) => {
    const methods = [
      "write",
      "writeFile",
      "sync",
      "datasync",
      "truncate",
      ...(read.length > 0 ? ["read", "readFile"] : []),
    ];
    patch(Object.getPrototypeOf(handle) as Functions, methods, rejecting);
    await handle.close();
  });
  syncBuiltinESMExports();
  process.on("exit", () => {
    const fd = fs.openSync(fault.told, "a");
    writeSync(fd, `${count} in all\n`);
  });
}

function isHandle(what: unknown): boolean {
  return typeof (what as { fd?: unknown } | undefined)?.fd === "number";
}
