/** `cox completion`: a script for bash, zsh or fish, made from the table of commands. */
import { done, refused, type Argument, type Command, type Option } from "./command.ts";
import { COMMANDS } from "./commands.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

export const command: Command = {
  where: "anywhere",
  description:
    'Prints a completion script.\n  bash: eval "$(cox completion bash)" in ~/.bashrc\n  zsh:  eval "$(cox completion zsh)" in ~/.zshrc, after compinit\n  fish: cox completion fish > ~/.config/fish/completions/cox.fish',
  arguments: [{ name: "shell", text: "bash, zsh or fish; else as $SHELL says", optional: true, is: SHELLS }],
  example: 'eval "$(cox completion bash)"',
  async run(input, { environment }) {
    const wanted = input.text("shell") ?? environment["SHELL"]?.split("/").at(-1) ?? "";
    const shell = SHELLS.find((name) => name === wanted);
    if (!shell)
      return refused({
        exit: 2,
        what: wanted ? `There is no completion for ${JSON.stringify(wanted)}.` : "Which shell?",
        todo: "Such as: cox completion bash",
      });
    const script = SCRIPTS[shell](await words());
    return done(script, { shell, script });
  },
};

/** What may follow a command's name: `session new` has a name of two words. */
interface Words {
  path: string;
  summary: string;
  subcommands: string[];
  options: readonly Option[];
  arguments: readonly Argument[];
}

const GLOBAL: readonly Option[] = [
  { name: "json", text: "print one JSON document" },
  { name: "no-color", text: "no colours" },
  { name: "help", text: "show help" },
];

async function words(): Promise<Words[]> {
  const all: Words[] = [];
  for (const { name, summary, load } of COMMANDS) {
    const { command: each } = await load();
    if ("subcommands" in each) {
      all.push({
        path: name,
        summary,
        subcommands: each.subcommands.map((sub) => sub.name),
        options: [],
        arguments: [],
      });
      for (const sub of each.subcommands)
        all.push({
          path: `${name} ${sub.name}`,
          summary: sub.summary,
          subcommands: [],
          options: sub.options ?? [],
          arguments: sub.arguments ?? [],
        });
    } else
      all.push({ path: name, summary, subcommands: [], options: each.options ?? [], arguments: each.arguments ?? [] });
  }
  return all;
}

const SCRIPTS: Record<Shell, (all: Words[]) => string> = { bash, zsh, fish };

const TASKS = "cox list --all --names 2>/dev/null; cox list --names 2>/dev/null";
const SESSIONS = "cox session list 2>/dev/null | grep -o 'WFS-[a-z0-9-]*'";

/** Shell code that prints the candidates, one a line; empty for files. */
function candidates(is: Argument["is"]): string {
  if (is === "task") return TASKS;
  if (is === "session") return SESSIONS;
  return is === undefined || is === "file" ? "" : `printf '%s\\n' ${is.join(" ")}`;
}

function bash(all: Words[]): string {
  const names = COMMANDS.map(({ name }) => name).join(" ");
  const cases = all.map(({ path, subcommands, options, arguments: args }) => {
    const flags = [...options, ...GLOBAL].map(({ name }) => `--${name}`).join(" ");
    const values = options
      .filter(({ value }) => value)
      .map(
        ({ name, is }) =>
          `--${name}) ${is === "file" || is === undefined ? "_cox_files" : `_cox_words "$(${candidates(is)})"`}; return;;`,
      );
    const what = subcommands.length > 0 ? `printf '%s\\n' ${subcommands.join(" ")}` : candidates(args[0]?.is);
    const rest = what === "" ? "_cox_files" : `_cox_words "$(${what})"`;
    return `    "${path}")\n      case $previous in ${values.join(" ")} esac\n      if [[ $current == -* ]]; then _cox_words "${flags}"; else ${rest}; fi;;`;
  });
  const deep = all
    .filter(({ path }) => path.includes(" "))
    .map(({ path }) => `"${path}"`)
    .join("|");
  return `# cox completion for bash
_cox_words() { COMPREPLY=($(compgen -W "$1" -- "$current")); }
_cox_files() { COMPREPLY=($(compgen -f -- "$current")); }
_cox() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command= second= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      -C) ((i++));;
      -*) ;;
      *) if [[ -z $command ]]; then command=\${COMP_WORDS[i]}; elif [[ -z $second ]]; then second=\${COMP_WORDS[i]}; fi;;
    esac
  done
  case "$command $second" in ${deep}) command="$command $second";; esac
  case $command in
    "") if [[ $current == -* ]]; then _cox_words "-C --json --no-color --help --version"; else _cox_words "${names} help"; fi;;
    help) _cox_words "${names}";;
${cases.join("\n")}
  esac
}
complete -o filenames -F _cox cox
`;
}

/** Zsh runs the bash script: one to keep right. */
function zsh(all: Words[]): string {
  return `# cox completion for zsh\nautoload -U +X bashcompinit && bashcompinit\n${bash(all).replace("# cox completion for bash\n", "")}`;
}

function fish(all: Words[]): string {
  const lines = ["# cox completion for fish", "complete -c cox -f"];
  const names = COMMANDS.map(({ name }) => name).join(" ");
  for (const { name, summary } of COMMANDS)
    lines.push(`complete -c cox -n "not __fish_seen_subcommand_from ${names}" -a ${name} -d ${quoted(summary)}`);
  for (const { name, text } of GLOBAL) lines.push(`complete -c cox -l ${name} -d ${quoted(text)}`);
  lines.push(`complete -c cox -s C -r -a "(__fish_complete_directories)" -d ${quoted("as if started in this folder")}`);
  for (const { path, subcommands, options, arguments: args } of all) {
    const seen = path
      .split(" ")
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join("; and ");
    for (const name of subcommands)
      lines.push(
        `complete -c cox -n "${seen}; and not __fish_seen_subcommand_from ${subcommands.join(" ")}" -a ${name}`,
      );
    for (const { name, value, text, is } of options) {
      const given =
        value === undefined ? "" : is === "file" || is === undefined ? " -r -F" : ` -x -a "(${candidates(is)})"`;
      lines.push(`complete -c cox -n "${seen}" -l ${name}${given} -d ${quoted(text)}`);
    }
    const first = args[0];
    if (first?.is === "file") lines.push(`complete -c cox -n "${seen}" -F`);
    else if (first?.is) lines.push(`complete -c cox -n "${seen}" -a "(${candidates(first.is)})"`);
  }
  return `${lines.join("\n")}\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "\\'")}'`;
}
