/**
 * The quick way through the command line: what is plainly right is read here, with the parser that comes with Node. All
 * else (help, mistakes, subcommands) is left to commander, which explains, but takes a third of a command's time to load.
 */
import type { Command, Input } from "./command.ts";

type Leaf = Exclude<Command, { subcommands: unknown }>;
type Values = Record<string, string | boolean | (string | boolean)[] | undefined>;

/** Undefined when it takes a closer look. */
export function readQuickly(
  argv: string[],
  name: string,
  command: Leaf,
): { input: Input; dir: string | undefined } | undefined {
  const parsed = parse(argv, command);
  if (!parsed || parsed.positionals[0] !== name) return undefined;
  const args = argumentsOf(parsed.positionals.slice(1), command);
  return args && { input: inputFrom({ ...parsed.values, ...args }), dir: parsed.values["C"] as string | undefined };
}

export function inputFrom(values: Values): Input {
  return {
    text: (name) => (typeof values[name] === "string" ? values[name] : undefined),
    list: (name) => [values[name] ?? []].flat().filter((item): item is string => typeof item === "string"),
    flag: (name) => values[name] === true,
  };
}

function parse(argv: string[], command: Leaf): { values: Values; positionals: string[] } | undefined {
  const own = (command.options ?? []).map(({ name, short, value, repeatable }) => {
    const type = value === undefined ? "boolean" : "string";
    return [name, { type, ...(short ? { short } : {}), ...(repeatable ? { multiple: true } : {}) }] as const;
  });
  const options = {
    C: { type: "string", short: "C" },
    json: { type: "boolean" },
    "no-color": { type: "boolean" },
    ...Object.fromEntries(own),
  } as const;
  try {
    // Importing node:util loads several times as much as this one function.
    const { values, positionals } = process
      .getBuiltinModule("node:util")
      .parseArgs({ args: argv, options, allowPositionals: true });
    return { values: values as Values, positionals };
  } catch {
    return undefined;
  }
}

/** By name; undefined when there are too few or too many. */
function argumentsOf(given: string[], command: Leaf): Values | undefined {
  const values: Values = {};
  let next = 0;
  for (const argument of command.arguments ?? []) {
    const taken = argument.variadic ? given.slice(next) : given.slice(next, next + 1);
    if (taken.length === 0 && !argument.optional) return undefined;
    values[argument.name] = argument.variadic ? taken : taken[0];
    next += taken.length;
  }
  return next === given.length ? values : undefined;
}
