/**
 * How `cox sync` asks the daemon to merge a history that it fetched: by `.run/sync/<name>.request.json`, answered beside it
 * in `<name>.answer.json`. Both sides read these shapes.
 */
import type { SessionId, TaskId } from "../model/ids.ts";
import { RUN } from "./paths.ts";

export const SYNC_REQUESTS = `${RUN}/sync`;

export interface SyncRequest {
  /** Their newest commit. */
  commit: string;
  /** Where it came from, for people. */
  from: string;
  /** What arrives may start at once. */
  trust: boolean;
}

/** What came of a merge. Tasks are named `WFS-x/impl-1`. */
export interface MergeFacts {
  /** Tasks that are new here, that changed, that went. */
  arrived: string[];
  changed: string[];
  gone: string[];
  /** Tasks that are blocked since both sides changed the same. */
  conflicts: { task: string; fields: string[] }[];
  renumbered: { session: SessionId; side: "ours" | "theirs"; from: TaskId; to: TaskId }[];
  sessions: SessionId[];
  /** Sessions that were active here, and pause, since what arrived could have started. */
  paused: SessionId[];
  /** Files that both sides changed: theirs stand beside ours, under this name. */
  beside: string[];
  /** Settings and roles that are otherwise there: they stay as they are here. */
  kept: string[];
  refused: { path: string; why: string }[];
}

/** `nothing`: we had all of it; `forward`: theirs was ours and more, and is ours now; else both were joined. */
export type MergeWay = "nothing" | "forward" | "join";

export type Merged = MergeFacts & { way: MergeWay };

export type SyncAnswer = { ok: true; tip: string | null; merged: Merged | null } | { ok: false; problem: string };

/** Relative to `.workflow/`. */
export function requestFile(name: string): string {
  return `${SYNC_REQUESTS}/${name}.request.json`;
}

export function answerFile(name: string): string {
  return `${SYNC_REQUESTS}/${name}.answer.json`;
}

/** The name of a request that a file in the folder is; undefined for any other file. */
export function requestIn(file: string): string | undefined {
  return /^(.+)\.request\.json$/.exec(file)?.[1];
}

export function isAnswer(file: string): boolean {
  return file.endsWith(".answer.json");
}
