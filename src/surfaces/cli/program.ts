/** The command line by commander: help, subcommands, and what is wrong with what was typed. */
import { Argument, Command as Program, CommanderError, Option } from "commander";
import type { Argument as ArgumentOf, Command, Input, Option as OptionOf, Subcommand } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { troubleText, type Output } from "./output.ts";
import { inputFrom } from "./quick.ts";

type Leaf = Exclude<Command, { subcommands: unknown }> | Subcommand;
export type Called = { command: Leaf; input: Input; dir: string | undefined };
type Run = (called: Called) => void;

/** What was called; null when there is nothing to do any more (help was shown), or the exit code of wrong use. */
export async function readCarefully(
  argv: string[],
  about: { name: string | undefined; version: string; output: Output },
): Promise<Called | { exit: 0 | 2 }> {
  let called: Called | undefined;
  const program = await programFor(about, (what) => (called = what), argv);
  try {
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return { exit: error.exitCode === 0 ? 0 : 2 };
    throw error;
  }
  return called ?? { exit: 0 };
}

async function programFor(
  { name, version, output }: { name: string | undefined; version: string; output: Output },
  run: Run,
  argv: string[],
): Promise<Program> {
  const program = new Program("cox")
    .description("Drop a task file into .workflow/, and an agent runs it; git log tells the whole story.")
    .usage("[command] [options]")
    .version(version, "-V, --version", "print the version")
    .option("-C <dir>", "as if started in <dir>")
    .option("--json", "print one JSON document")
    .option("--no-color", "no colours (also: NO_COLOR)")
    .helpOption("-h, --help", "show help")
    .addHelpCommand(new Program("help").argument("[command]").summary("show help for a command").helpGroup("Mend:"))
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => output.write(text),
      writeErr: (text) => output.complain(text),
      outputError: (text, write) => write(wrongUse(text)),
    })
    .addHelpText("after", '\nExample:\n  $ cox init && cox add "fix the flaky test in src/queue" && cox start')
    .exitOverride();
  const wanted = name === "help" ? argv[argv.indexOf("help") + 1] : name;
  const loaded = await COMMANDS.find((entry) => entry.name === wanted)?.load();
  for (const { name: each, summary, group } of COMMANDS) {
    const sub = program.command(each).summary(summary).description(sentence(summary)).helpGroup(group);
    if (each === wanted && loaded) attach(sub, loaded.command, run);
  }
  return program;
}

function attach(program: Program, command: Command, run: Run): void {
  if (command.description) program.description(command.description);
  if (!("subcommands" in command)) return attachLeaf(program, command, run);
  program.usage("<command> [options]").helpCommand(false).addHelpText("after", `\nExample:\n  $ ${command.example}`);
  for (const sub of command.subcommands) {
    const inner = program
      .command(sub.name, { isDefault: sub.name === command.meant })
      .summary(sub.summary)
      .description(sub.description ?? sentence(sub.summary));
    attachLeaf(inner, sub, run);
  }
}

function attachLeaf(program: Program, command: Leaf, run: Run): void {
  for (const argument of command.arguments ?? []) program.addArgument(argumentFor(argument));
  for (const option of command.options ?? []) program.addOption(optionFor(option));
  program
    .addHelpText("after", `\nExample:\n  $ ${command.example}`)
    .allowExcessArguments(false)
    .action(() => run({ command, ...readBack(program, command) }));
}

/** What commander read, by the names that the command declares. */
function readBack(program: Program, command: Leaf): { input: Input; dir: string | undefined } {
  const read = program.optsWithGlobals<Record<string, string | boolean | string[] | undefined>>();
  // Commander turns `--no-verify` into `verify: false`.
  const options = (command.options ?? []).map(({ name }) =>
    name.startsWith("no-") ? [name, read[camel(name.slice("no-".length))] === false] : [name, read[camel(name)]],
  );
  const args = (command.arguments ?? []).map(({ name }, place) => [
    name,
    program.processedArgs[place] as string | string[] | undefined,
  ]);
  return { input: inputFrom(Object.fromEntries([...options, ...args])), dir: read["C"] as string | undefined };
}

function argumentFor({ name, text, optional, variadic }: ArgumentOf): Argument {
  const dots = variadic ? `${name}...` : name;
  return new Argument(optional ? `[${dots}]` : `<${dots}>`, text);
}

function optionFor({ name, short, value, text, repeatable }: OptionOf): Option {
  const option = new Option(`${short ? `-${short}, ` : ""}--${name}${value ? ` <${value}>` : ""}`, text);
  if (repeatable) option.argParser((one: string, before: string[] | undefined) => [...(before ?? []), one]);
  return option;
}

/** `error: unknown option '--jsn'\n(Did you mean --json?)` as this program says such things. */
function wrongUse(text: string): string {
  const [what = "", ...more] = text
    .trim()
    .replace(/^error: /, "")
    .split("\n");
  const meant = /^\(Did you mean (.*)\?\)$/.exec(more.join(" "))?.[1];
  return troubleText({
    exit: 2,
    what: what.endsWith(".") ? what : `${what}.`,
    todo: meant ? `Did you mean ${meant}?` : "See --help.",
  });
}

function camel(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
