/** The daemon's log, from its JSON lines, readable. */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { RUN } from "../../store/paths.ts";
import { done, type Outcome } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { openGrowing } from "./growing-file.ts";
import type { LogsWanted } from "./logs.ts";
import { isObject } from "./tasks-on-disk.ts";

const LINES_SHOWN = 100;
const LOOK_MS = 200;

export async function daemonLog(wanted: LogsWanted, context: Context & { workspace: Workspace }): Promise<Outcome> {
  const path = join(context.workspace.folder, RUN, "log", "daemon.jsonl");
  const most = wanted.lines ?? LINES_SHOWN;
  let file = openGrowing(path);
  const older = openGrowing(`${path}.1`);
  let lines = file?.lines() ?? [];
  if (lines.length < most) lines = [...(older?.lines() ?? []), ...lines];
  older?.close();
  const last = lines.slice(-most);
  if (!wanted.follow) {
    file?.close();
    if (last.length === 0) return done("The daemon has said nothing yet. cox start starts it.", { lines: [] });
    return done(last.map((line) => shown(line, wanted, context)).join("\n"), {
      lines: last.map(parsed).filter((line) => line !== undefined),
    });
  }
  const print = (line: string) => context.write(`${context.json ? line : shown(line, wanted, context)}\n`);
  last.forEach(print);
  if (!file) context.tell("The daemon has said nothing yet; waiting.\n");
  for (;;) {
    file?.lines().forEach(print);
    if (!file || file.replaced) {
      // What came between the last look and the change of files is read before the next one is opened.
      file?.lines().forEach(print);
      file?.close();
      file = openGrowing(path);
    }
    await pause(LOOK_MS);
  }
}

function shown(line: string, { raw }: LogsWanted, { paint }: Context): string {
  const said = raw ? undefined : parsed(line);
  if (!said) return line;
  const { at, level, text } = said;
  const date = new Date(String(at));
  const time = Number.isNaN(date.getTime())
    ? "?"
    : `${date.toLocaleDateString("sv")} ${date.toTimeString().slice(0, 8)}`;
  const words = String(text).replaceAll("\n", "\n                     ");
  const mark = level === "error" ? "✗ " : level === "warn" ? "! " : "  ";
  const colored =
    level === "error"
      ? paint("red", `${mark}${words}`)
      : level === "warn"
        ? paint("yellow", `${mark}${words}`)
        : `${mark}${words}`;
  return `${paint("dim", time)} ${colored}`;
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) && typeof value["text"] === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}
