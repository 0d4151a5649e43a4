/** Which files of `.workflow/` the code's branch tracks, and which of those are trusted. SPEC section 13. */
import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { findRepository, trackedUnder } from "../ledger/git.ts";
import { RUN, WORKSPACE } from "../store/paths.ts";
import type { Workspace } from "./workspace.ts";

/** A lock of git's index that is older was left behind, or somebody is writing a commit message. */
const GIT_WRITES_MS = 10_000;

export class Trust {
  private readonly workspace: Workspace;
  private index: string;
  private trusted = "";

  constructor(workspace: Workspace) {
    this.workspace = workspace;
    this.index = signature(join(workspace.gitDir, "index"));
  }

  /** Whether git is writing files at this moment: its index is locked meanwhile. */
  isBeingWritten(now: number): boolean {
    const lock = statSync(join(this.workspace.gitDir, "index.lock"), { throwIfNoEntry: false });
    return lock !== undefined && Math.abs(now - lock.mtimeMs) < GIT_WRITES_MS;
  }

  /** Looks again if either may have changed; then tells which paths are tracked that were not before. */
  async refresh(): Promise<{ tracked: ReadonlySet<string> } | undefined> {
    const { workspace } = this;
    const index = signature(join(workspace.gitDir, "index"));
    const trusted = signature(trustFile(workspace.folder));
    if (index === this.index && trusted === this.trusted) return undefined;
    const before = workspace.tracked;
    if (index !== this.index) workspace.tracked = await trackedPaths(workspace.repository, before);
    if (trusted !== this.trusted) workspace.trusted = await readTrusted(workspace.folder);
    const same =
      trusted === this.trusted &&
      workspace.tracked.size === before.size &&
      [...before].every((path) => workspace.tracked.has(path));
    this.index = index;
    this.trusted = trusted;
    return same ? undefined : { tracked: new Set([...workspace.tracked].filter((path) => !before.has(path))) };
  }
}

/** Trusted contents: path under `.workflow/` → SHA-256. */
async function readTrusted(folder: string): Promise<Map<string, string>> {
  try {
    const read = JSON.parse(await readFile(trustFile(folder), "utf8")) as Record<string, string>;
    return new Map(Object.entries(read));
  } catch {
    return new Map();
  }
}

async function trackedPaths(root: string, otherwise: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  try {
    const found = await findRepository(root);
    if ("problem" in found) return otherwise;
    return new Set((await trackedUnder(found.ok, WORKSPACE)).map((path) => path.slice(WORKSPACE.length + 1)));
  } catch {
    return otherwise; // an index that git cannot read now changes again
  }
}

const trustFile = (folder: string) => join(folder, RUN, "trust.json");

function signature(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : "";
}
