/** Every command: name, one line, and where it is. Nothing is loaded until it is asked for. */
import type { Command } from "./command.ts";

export interface Entry {
  name: string;
  summary: string;
  group: string;
  load: () => Promise<{ command: Command }>;
}

const BEGIN = "Begin:";
const WORK = "Give work:";
const STEER = "Steer:";
const LOOK = "Look:";
const MEND = "Mend:";

export const COMMANDS: readonly Entry[] = [
  { name: "init", group: BEGIN, summary: "make this repository a workspace", load: () => import("./init.ts") },
  { name: "demo", group: BEGIN, summary: "see it work, with a scripted agent", load: () => import("./demo.ts") },
  { name: "start", group: BEGIN, summary: "start the daemon: it runs the tasks", load: () => import("./start.ts") },
  { name: "stop", group: BEGIN, summary: "stop the daemon", load: () => import("./stop.ts") },
  {
    name: "restart",
    group: BEGIN,
    summary: "let a new daemon take over; agents go on",
    load: () => import("./restart.ts"),
  },

  { name: "add", group: WORK, summary: "add a task", load: () => import("./add.ts") },
  { name: "plan", group: WORK, summary: "have a goal planned as tasks", load: () => import("./plan.ts") },
  { name: "run", group: WORK, summary: "run a workflow", load: () => import("./run.ts") },
  {
    name: "workflows",
    group: WORK,
    summary: "list, show, check or make workflows; steer runs",
    load: () => import("./workflows.ts"),
  },
  {
    name: "session",
    group: WORK,
    summary: "make, list, pause, resume or complete sessions",
    load: () => import("./session.ts"),
  },
  { name: "fork", group: WORK, summary: "a new session from a past state of one", load: () => import("./fork.ts") },
  { name: "switch", group: WORK, summary: "make another session the active one", load: () => import("./switch.ts") },

  { name: "status", group: LOOK, summary: "what runs, what waits, what is wrong", load: () => import("./status.ts") },
  { name: "list", group: LOOK, summary: "list tasks", load: () => import("./list.ts") },
  { name: "show", group: LOOK, summary: "show all about one task", load: () => import("./show.ts") },
  { name: "logs", group: LOOK, summary: "what agents and the daemon say", load: () => import("./logs.ts") },
  {
    name: "errors",
    group: LOOK,
    summary: "failures learned over time, and what helps",
    load: () => import("./errors.ts"),
  },
  { name: "diff", group: LOOK, summary: "what a task or a session changed", load: () => import("./diff.ts") },
  { name: "why", group: LOOK, summary: "which task wrote a line, and what it cost", load: () => import("./why.ts") },
  { name: "cost", group: LOOK, summary: "what agents have cost, and for what", load: () => import("./cost.ts") },
  { name: "compare", group: LOOK, summary: "put two sessions side by side", load: () => import("./compare.ts") },
  { name: "log", group: LOOK, summary: "what happened: the ledger", load: () => import("./log.ts") },

  { name: "retry", group: STEER, summary: "run a task again, or at once", load: () => import("./retry.ts") },
  { name: "cancel", group: STEER, summary: "stop a task, or keep it from starting", load: () => import("./cancel.ts") },
  { name: "approve", group: STEER, summary: "approve a task that awaits it", load: () => import("./approve.ts") },
  { name: "reject", group: STEER, summary: "reject a task that awaits approval", load: () => import("./reject.ts") },
  { name: "answer", group: STEER, summary: "answer a task that asks a person", load: () => import("./answer.ts") },
  { name: "undo", group: STEER, summary: "take back what you did to a task", load: () => import("./undo.ts") },
  { name: "land", group: STEER, summary: "merge a session into your branch", load: () => import("./land.ts") },
  {
    name: "sync",
    group: STEER,
    summary: "merge with the ledger of another machine",
    load: () => import("./sync.ts"),
  },
  { name: "trust", group: STEER, summary: "trust a file that arrived by git", load: () => import("./trust.ts") },

  { name: "doctor", group: MEND, summary: "find out what is wrong, and mend it", load: () => import("./doctor.ts") },
  { name: "validate", group: MEND, summary: "check files, with line and column", load: () => import("./validate.ts") },
  { name: "verify", group: MEND, summary: "check that the ledger is whole", load: () => import("./verify.ts") },
  {
    name: "clean",
    group: MEND,
    summary: "take off the disk what was kept for long enough",
    load: () => import("./clean.ts"),
  },
  {
    name: "rescue",
    group: MEND,
    summary: "bring back work whose worktree is gone",
    load: () => import("./rescue.ts"),
  },
  {
    name: "restore",
    group: MEND,
    summary: "bring .workflow/ back from the ledger",
    load: () => import("./restore.ts"),
  },
  {
    name: "uninstall",
    group: MEND,
    summary: "take out of git what cox init put there",
    load: () => import("./uninstall.ts"),
  },
  { name: "config", group: MEND, summary: "show settings and what they mean", load: () => import("./config.ts") },
  {
    name: "completion",
    group: MEND,
    summary: "print a completion script for your shell",
    load: () => import("./completion.ts"),
  },
];
