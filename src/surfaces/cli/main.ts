/** The command line's entry: loads nothing but the one command that was asked for. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Outcome, refused, type Trouble } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { findWorkspace, type Context } from "./context.ts";
import { openOutput, printOutcome, type Output } from "./output.ts";
import type { Called } from "./program.ts";
import { readQuickly } from "./quick.ts";

const OF_DISK = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EMFILE", "ELOOP", "ENOTDIR"]);

process.exitCode = await main(process.argv.slice(2));

async function main(argv: string[]): Promise<number> {
  // Before anything is parsed: also what is wrong with the rest is told as wanted.
  const options = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  const json = options.includes("--json");
  const output = openOutput(process.env, { color: !options.includes("--no-color"), json });
  const version = () =>
    (JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as { version: string })
      .version;
  let outcome: Outcome;
  try {
    const called = await read(argv, { version, output });
    if ("exit" in called) return called.exit;
    outcome = await perform(called, { version, output, json });
  } catch (error) {
    outcome = refused(unexpected(error as Error));
    if (process.env["COX_DEBUG"]) output.complain(`${(error as Error).stack ?? ""}\n`);
  }
  printOutcome(outcome, output, json);
  return outcome.exit;
}

async function read(
  argv: string[],
  { version, output }: { version: () => string; output: Output },
): Promise<Called | { exit: 0 | 2 }> {
  const name = commandName(argv);
  const command = (await COMMANDS.find((entry) => entry.name === name)?.load())?.command;
  if (name !== undefined && command && !("subcommands" in command)) {
    const quickly = readQuickly(argv, name, command);
    if (quickly) return { command, ...quickly };
  }
  const { readCarefully } = await import("./program.ts");
  return readCarefully(argv, { name, version: version(), output });
}

async function perform(
  { command, input, dir }: Called,
  { version, output, json }: { version: () => string; output: Output; json: boolean },
): Promise<Outcome> {
  const at = resolve(dir ?? ".");
  const found = findWorkspace(at);
  const workspace = "ok" in found ? found.ok : null;
  const context: Context = {
    dir: at,
    workspace,
    json,
    paint: output.paint,
    get interactive() {
      return Boolean(process.stdin.isTTY && process.stderr.isTTY) && !json;
    },
    environment: process.env,
    get version() {
      return version();
    },
    write: output.write,
    tell: (text) => {
      if (!json) output.complain(text);
    },
  };
  if ("trouble" in found && (command.where === "workspace" || found.trouble.exit === 2)) return refused(found.trouble);
  if (command.where === "anywhere") return command.run(input, context);
  return command.run(input, Object.assign(context, { workspace: workspace as NonNullable<typeof workspace> }));
}

/** The first argument that is neither an option nor the value of `-C`. */
function commandName(argv: string[]): string | undefined {
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] ?? "";
    if (arg === "--") return undefined;
    if (arg === "-C") i++;
    else if (!arg.startsWith("-")) return arg;
  }
  return undefined;
}

function unexpected(error: Error): Trouble {
  const { code, path } = error as NodeJS.ErrnoException;
  return code !== undefined && OF_DISK.has(code)
    ? {
        exit: 1,
        what: `The file system refuses: ${error.message}.`,
        todo: `See to ${path ?? "the disk"}, then try again.`,
      }
    : {
        exit: 1,
        what: `Something unexpected happened: ${error.message}`,
        todo: "This is a fault of Coxswain: please report it, with what COX_DEBUG=1 adds to this message.",
      };
}
