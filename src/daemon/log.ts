/** What the daemon says: readable lines on its standard error, JSON lines in `.run/log/daemon.jsonl`. */
import { appendFileSync, mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { styleText } from "node:util";
import { plain } from "../model/plain.ts";

export type Level = "debug" | "info" | "warn" | "error";
const ORDER: readonly Level[] = ["debug", "info", "warn", "error"];
const MAX_LOG_BYTES = 10 * 1024 * 1024;

export interface Log {
  say(level: Level, text: string, facts?: Record<string, unknown>): void;
  setLevel(level: Level): void;
}

/** A log file that cannot be written (a full disk) stops nobody. */
export function openLog(runFolder: string, options: { level: Level; terminal: NodeJS.WriteStream | null }): Log {
  const folder = join(runFolder, "log");
  const file = join(folder, "daemon.jsonl");
  let level = options.level;
  mkdirSync(folder, { recursive: true });
  rotate(file);
  let written = 0;
  return {
    setLevel: (next) => void (level = next),
    say(which, text, facts = {}) {
      if (ORDER.indexOf(which) < ORDER.indexOf(level)) return;
      const now = new Date();
      const line = `${JSON.stringify({ at: now.toISOString(), level: which, text: plain(text), ...facts })}\n`;
      try {
        appendFileSync(file, line);
        written += line.length;
        if (written > MAX_LOG_BYTES) {
          rotate(file);
          written = 0;
        }
      } catch {
        // Nothing to do: the terminal still has it.
      }
      options.terminal?.write(forTerminal(now, which, text));
    },
  };
}

function rotate(file: string): void {
  try {
    if (statSync(file).size > MAX_LOG_BYTES) renameSync(file, `${file}.1`);
  } catch {
    // No log yet.
  }
}

function forTerminal(now: Date, level: Level, text: string): string {
  const time = styleText("dim", now.toTimeString().slice(0, 8), { stream: process.stderr });
  const mark = level === "error" ? "red" : level === "warn" ? "yellow" : undefined;
  const said = plain(text).replaceAll("\n", "\n         ");
  return `${time} ${mark ? styleText(mark, said, { stream: process.stderr }) : said}\n`;
}
