/** `node:fs/promises` on the simulated disk: each call may take a moment, in which others get on. */
import * as real from "node:fs";
import { DiskError, type Entry } from "../disk.ts";
import { world } from "../world.ts";
import * as sync from "./fs.ts";

const SLOW_MS = 25;

/** Done at once where it is not about the simulated disk. */
function later<T>(path: string | URL, act: () => T, most?: number): Promise<T> {
  if (typeof path !== "string" || !path.startsWith("/sim/")) return Promise.resolve().then(act);
  return world().later(act, most);
}

class Handle {
  readonly fd: number;
  private readonly path: string;
  private readonly entry: Entry;

  constructor(path: string, entry: Entry) {
    this.path = path;
    this.entry = entry;
    this.fd = sync.remember(path, entry);
  }

  write(bytes: Buffer, offset = 0): Promise<{ bytesWritten: number }> {
    return world().later(() => {
      world().passFailing(this.path);
      const { data } = this.entry;
      // Sometimes the kernel takes less than it was given.
      const taken = world().faults.is(0.01) ? Math.ceil((bytes.length - offset) / 2) : bytes.length - offset;
      world().disk.write(this.path, this.entry, Buffer.concat([data, bytes.subarray(offset, offset + taken)]));
      return { bytesWritten: taken };
    });
  }

  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }> {
    return world().later(() => ({ bytesRead: sync.readSync(this.fd, buffer, offset, length, position) }));
  }

  sync(): Promise<void> {
    return world().later(() => {
      world().passFailing(this.path);
      const isFolder = this.entry.names !== undefined;
      if (world().isMutant("no-sync") || (isFolder && world().isMutant("no-directory-sync"))) return;
      world().disk.sync(this.entry);
    }, SLOW_MS);
  }

  stat(): Promise<sync.Stats> {
    return world().later(() => sync.fstatSync(this.fd));
  }

  async chmod(mode: number): Promise<void> {
    this.entry.mode = mode;
  }

  async close(): Promise<void> {
    sync.closeSync(this.fd);
  }
}

export function open(path: string, flags: number | string = "r"): Promise<Handle> {
  return later(path, () => {
    world().passFailing(path);
    return new Handle(path, sync.opened(path, flags));
  });
}

export function mkdir(path: string, options?: { recursive?: boolean }): Promise<string | undefined> {
  return later(path, () => sync.mkdirSync(path, options));
}

export function rm(path: string, options?: { force?: boolean; recursive?: boolean }): Promise<void> {
  return later(path, () => sync.rmSync(path, options));
}

export function rename(from: string, to: string): Promise<void> {
  return later(from, () => sync.renameSync(from, to));
}

export function readFile(path: string | URL, encoding?: string): Promise<Buffer | string> {
  return later(path, () => sync.readFileSync(path, encoding));
}

export function readdir(path: string | URL): Promise<unknown[]> {
  return later(path, () => (typeof path === "string" ? sync.readdirSync(path) : real.readdirSync(path)));
}

export function stat(path: string): Promise<sync.Stats> {
  return later(path, () => sync.statSync(path) as sync.Stats);
}

export function access(path: string): Promise<void> {
  return later(path, () => sync.accessSync(path));
}

export function writeFile(path: string, content: string | Buffer, options?: { flag?: string }): Promise<void> {
  return later(path, () => sync.writeFileSync(path, content, options));
}

export function appendFile(path: string, content: string): Promise<void> {
  return writeFile(path, content, { flag: "a" });
}

export function copyFile(from: string, to: string): Promise<void> {
  return later(from, () => sync.writeFileSync(to, world().disk.file(from).data));
}

export function utimes(path: string, _: unknown, changed: Date): Promise<void> {
  return later(path, () => {
    world().pass();
    const entry = world().disk.find(path);
    if (!entry) throw new DiskError("ENOENT", path);
    entry.mtimeMs = changed.getTime();
    entry.ctimeMs = world().clock.wall;
    world().watcher.changed(path);
  });
}

/** Only for what is imported and never called here. */
export function mkdtemp(): Promise<never> {
  return Promise.reject(new Error("there is no temporary folder"));
}
