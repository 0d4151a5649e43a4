/** What the daemon says: readable lines on its standard error, JSON lines in `.run/log/daemon.jsonl`. */
import { appendFileSync, fstatSync, ftruncateSync, mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { styleText } from "node:util";
import { ownSubject } from "../ledger/own-words.ts";
import { redactor } from "../ledger/redact.ts";
import { plain } from "../model/plain.ts";

export type Level = "debug" | "info" | "warn" | "error";
const ORDER: readonly Level[] = ["debug", "info", "warn", "error"];
const MAX_LOG_BYTES = 10 * 1024 * 1024;
const OFTEN_BYTES = 1024 * 1024;
const TOGETHER_MS = 50;

/** Where people read along. */
export interface Terminal {
  write(text: string): unknown;
}

export interface Log {
  say(level: Level, text: string, facts?: Record<string, unknown>): void;
  setLevel(level: Level): void;
  /** Applied to what is said, on the terminal too; what is our own stays. Until then what has the form of a secret is taken. */
  redactWith(redact: (text: string) => string): void;
}

/** A log file that cannot be written (a full disk) stops nobody. */
export function openLog(runFolder: string, options: { level: Level; terminal: Terminal | null }): Log {
  const folder = join(runFolder, "log");
  const file = join(folder, "daemon.jsonl");
  let level = options.level;
  let redact: ((text: string) => string) | undefined;
  const clean = (said: string): string => {
    const { own, rest } = ownSubject(plain(said));
    redact ??= withForms();
    return own + (rest && redact(rest));
  };
  mkdirSync(folder, { recursive: true });
  rotate(file);
  let shown = 0;
  const show = (line: string) => {
    options.terminal?.write(line);
    if ((shown += line.length) < OFTEN_BYTES) return;
    shown = 0;
    cutOutput(join(folder, "daemon.out"));
  };
  const lines = new Lines(file);
  return {
    setLevel: (next) => void (level = next),
    redactWith: (next) => void (redact = next),
    say(which, text, facts = {}) {
      if (ORDER.indexOf(which) < ORDER.indexOf(level)) return;
      const now = new Date();
      const said = clean(text);
      const told = JSON.parse(JSON.stringify(facts), (_key, value: unknown) =>
        typeof value === "string" ? clean(value) : value,
      ) as object;
      lines.add(`${JSON.stringify({ at: now.toISOString(), level: which, text: said, ...told })}\n`);
      show(forTerminal(now, which, said));
    },
  };
}

/** Lines that are written together a moment later: nobody waits for the log. What is left is written at the end. */
class Lines {
  private readonly file: string;
  private waiting = "";
  private written = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(file: string) {
    this.file = file;
    process.once("exit", () => this.write());
  }

  add(line: string): void {
    this.waiting += line;
    this.timer ??= setTimeout(() => this.write(), TOGETHER_MS).unref();
  }

  private write(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const text = this.waiting;
    this.waiting = "";
    try {
      if (text) appendFileSync(this.file, text);
      this.written += text.length;
      if (this.written <= MAX_LOG_BYTES) return;
      rotate(this.file);
      this.written = 0;
    } catch {
      // Nothing to do: the terminal still has it.
    }
  }
}

function withForms(): (text: string) => string {
  const take = redactor([]);
  return (text) => take(text).text;
}

function rotate(file: string): void {
  try {
    if (statSync(file).size > MAX_LOG_BYTES) renameSync(file, `${file}.1`);
  } catch {
    // No log yet.
  }
}

/**
 * A daemon in the background has `daemon.out` for a terminal: too long, it begins anew, since the log has all of it. Our own
 * descriptor appends; a file that somebody else sent our output to is not touched.
 */
function cutOutput(file: string): void {
  try {
    const [own, named] = [fstatSync(STDERR), statSync(file)];
    if (own.ino === named.ino && own.dev === named.dev && own.size > MAX_LOG_BYTES) ftruncateSync(STDERR, 0);
  } catch {
    // There is none.
  }
}

const STDERR = 2;

function forTerminal(now: Date, level: Level, text: string): string {
  const time = styleText("dim", now.toTimeString().slice(0, 8), { stream: process.stderr });
  const mark = level === "error" ? "red" : level === "warn" ? "yellow" : undefined;
  const said = text.replaceAll("\n", "\n         ");
  return `${time} ${mark ? styleText(mark, said, { stream: process.stderr }) : said}\n`;
}
