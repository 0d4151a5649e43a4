/** What a command is. Each has a file of its own that exports `command`; `commands.ts` lists them all. */
import type { Problem } from "../../problems.ts";
import type { Context, Workspace } from "./context.ts";

/** 0 done, 1 failed, 2 wrong use, 3 not in a workspace, 4 not possible in this state. */
export type Exit = 0 | 1 | 2 | 3 | 4;

/** What happened, why, and what to do next; each a sentence or line, printed on standard error. */
export interface Trouble {
  exit: Exclude<Exit, 0>;
  what: string;
  why?: string;
  todo?: string;
  /** What is wrong with something that a person wrote: one line each. */
  problems?: Problem[];
  /** More for `--json`. */
  facts?: Record<string, unknown>;
}

/**
 * How a command ended. `text` is printed on a terminal or into a pipe, `json` instead of it with `--json`; undefined for
 * a command that has printed all it has to say by itself (`context.write`). With trouble, exit 1, output comes first.
 */
export interface Outcome {
  exit: Exit;
  json: unknown;
  text: string;
  trouble?: Trouble;
}

/** An argument or option as written on the command line, by its name without dashes (`max-attempts`). */
export interface Input {
  text(name: string): string | undefined;
  /** Of a variadic argument or repeatable option. */
  list(name: string): string[];
  flag(name: string): boolean;
}

export interface Argument {
  name: string;
  text: string;
  optional?: true;
  /** Any number of them; with `optional` also none. */
  variadic?: true;
  /** What a shell completes it with, besides files. */
  is?: "task" | "session" | "file" | readonly string[];
}

export interface Option {
  /** Long name without dashes. */
  name: string;
  short?: string;
  /** Name of its value; without it the option is a switch. */
  value?: string;
  text: string;
  /** May be given several times. */
  repeatable?: true;
  is?: Argument["is"];
}

interface Described {
  arguments?: readonly Argument[];
  options?: readonly Option[];
  /** One line that works, as typed. */
  example: string;
  /** More than the summary, for `--help`. */
  description?: string;
}

export type Command =
  | (Described & {
      where: "workspace";
      run(input: Input, context: Context & { workspace: Workspace }): Promise<Outcome>;
    })
  /** `context.workspace` is there if the command was started in one. */
  | (Described & { where: "anywhere"; run(input: Input, context: Context): Promise<Outcome> })
  /** `meant`: the subcommand that is meant where none is named. */
  | { subcommands: readonly Subcommand[]; meant?: string; example: string; description?: string };

export type Subcommand = Exclude<Command, { subcommands: unknown }> & { name: string; summary: string };

export function done(text: string, json: unknown): Outcome {
  return { exit: 0, json, text };
}

export function refused(trouble: Trouble): Outcome {
  return { exit: trouble.exit, json: undefined, text: "", trouble };
}
