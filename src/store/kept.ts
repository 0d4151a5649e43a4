/**
 * What stood in a file that the daemon has replaced, kept for some seconds under a second name in `.run/kept`: an editor
 * that had it open may write into it when it has no name any more. Then it is put back in its place, as if the save had
 * come a moment later, and is found and merged like any other. Its name there tells all that the next daemon must know.
 */
import { linkSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { RUN } from "./paths.ts";
import { readRegular, sha256, type Scanner } from "./scan.ts";

/** So long may an editor that has the old file open take to write into it. */
const KEPT_MS = 5000;
/** Between two looks at anything; the first look at a file comes after as much. */
const LOOK_MS = 50;
/** Between two looks at a save that cannot be put back yet. */
const LONGEST_MS = 60_000;
/** Most saves come at once: each look at a file waits so many times longer than the one before. */
const LATER = 2;

interface Entry {
  name: string;
  path: string;
  /** SHA-256 of what the daemon had last seen in it. */
  hash: string;
  since: number;
  /** When it is looked at next. */
  next: number;
  /** Size and time of change when its content was compared; a save shows in them from then on. */
  compared: string | undefined;
}

/** All times are in ms, by a clock that never goes back. */
export class Kept {
  private readonly workspace: string;
  private readonly folder: string;
  private readonly scanner: Scanner;
  private readonly entries = new Set<Entry>();
  private count = 0;
  private nextLook = 0;

  /** Takes over what an earlier daemon kept. */
  constructor(workspace: string, scanner: Scanner, now: number) {
    this.workspace = workspace;
    this.folder = join(workspace, RUN, "kept");
    this.scanner = scanner;
    mkdirSync(this.folder, { recursive: true });
    const names = readdirSync(this.folder).map((name) => ({ name, parts: name.split(",") }));
    // Oldest first: the last save is put back last.
    for (const { name, parts } of names.sort((a, b) => Number(a.parts[0]) - Number(b.parts[0]))) {
      const [number = "", hash = "", path = ""] = parts;
      this.count = Number(number) || this.count;
      const entry = { name, hash, path: decodeURIComponent(path), since: now, next: now, compared: undefined };
      if (this.isInPlace(entry)) rmSync(join(this.folder, name), { force: true });
      else this.entries.add(entry);
    }
  }

  /**
   * To be called right before the file is replaced; what it answers, if it is not replaced after all. Where a file cannot
   * have two names, nothing is kept.
   */
  keep(path: string, now: number): () => void {
    const hash = this.scanner.seen.get(path)?.hash;
    if (!hash) return () => {};
    const name = `${this.count + 1},${hash},${encodeURIComponent(path)}`;
    try {
      linkSync(join(this.workspace, path), join(this.folder, name));
    } catch {
      return () => {};
    }
    this.count++;
    const entry = { name, path, hash, since: now, next: now + LOOK_MS, compared: undefined };
    this.entries.add(entry);
    return () => this.drop(entry);
  }

  /** When to look the next time; undefined if nothing is kept. */
  get due(): number | undefined {
    if (this.entries.size === 0) return undefined;
    let due = Number.POSITIVE_INFINITY;
    for (const { next } of this.entries) due = Math.min(due, next);
    return Math.max(due, this.nextLook);
  }

  /**
   * Looks, if it is time, and answers with the paths where a save was put back. Only for between two records: a file
   * that is as it was last seen is on record then, and may be replaced, unless `mayReplace` says no.
   */
  look(now: number, mayReplace: (path: string) => boolean): string[] {
    if (now < this.nextLook || this.entries.size === 0) return [];
    this.nextLook = now + LOOK_MS;
    const back: string[] = [];
    for (const entry of [...this.entries]) {
      if (now < entry.next) continue;
      entry.next = Math.min(now + LATER * (now - entry.since + 1), entry.since + KEPT_MS);
      if (this.isSaved(entry)) {
        if (mayReplace(entry.path) && this.putBack(entry, now)) back.push(entry.path);
        // As long as somebody does not mend what is in its place, it is asked for less and less often.
        else entry.next = now + Math.min(Math.max(LOOK_MS, now - entry.since - KEPT_MS), LONGEST_MS);
      } else if (now >= entry.since + KEPT_MS) {
        this.entries.delete(entry);
        void rm(join(this.folder, entry.name), { force: true });
      }
    }
    return back;
  }

  /** The last look, however young they are. What was put back is found at the next start. */
  close(now: number, mayReplace: (path: string) => boolean): void {
    // What is kept on the way, because something is put back, is looked at too.
    for (const entry of this.entries) {
      if (!this.isSaved(entry)) this.drop(entry);
      else if (mayReplace(entry.path)) this.putBack(entry, now);
    }
  }

  private isSaved(entry: Entry): boolean {
    const file = join(this.folder, entry.name);
    const stat = lstatSync(file, { throwIfNoEntry: false });
    if (!stat) return false;
    const stamp = `${stat.size} ${stat.mtimeMs}`;
    if (entry.compared === stamp) return false;
    const read = readRegular(file);
    if (!read || sha256(read.content) !== entry.hash) return true;
    // Two changes within one tick of the kernel's clock look like one.
    if (Math.abs(Date.now() - stat.mtimeMs) >= LOOK_MS) entry.compared = stamp;
    return false;
  }

  /** Not as long as a newer save is in its place that was not looked at yet. */
  private putBack(entry: Entry, now: number): boolean {
    const { path, name } = entry;
    const to = join(this.workspace, path);
    // Deleted since, by somebody who had the last word; or never replaced.
    if (!lstatSync(to, { throwIfNoEntry: false })?.isFile() || this.isInPlace(entry)) {
      this.drop(entry);
      return false;
    }
    const changed = this.scanner.watchful(path);
    if (changed()) return false;
    const forget = this.keep(path, now);
    if (changed()) {
      forget();
      return false;
    }
    renameSync(join(this.folder, name), to);
    this.entries.delete(entry);
    return true;
  }

  private isInPlace({ path, name }: { path: string; name: string }): boolean {
    const [there, kept] = [join(this.workspace, path), join(this.folder, name)].map((file) =>
      lstatSync(file, { throwIfNoEntry: false }),
    );
    return there !== undefined && there.ino === kept?.ino;
  }

  private drop(entry: Entry): void {
    this.entries.delete(entry);
    rmSync(join(this.folder, entry.name), { force: true });
  }
}
