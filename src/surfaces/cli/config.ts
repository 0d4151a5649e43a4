/** `cox config`: the settings as they are in force, one of them, or what they mean. */
import { closest } from "../../model/closest.ts";
import { at } from "../../store/paths.ts";
import { done, refused, type Command, type Outcome } from "./command.ts";
import { table } from "./text.ts";

export const command: Command = {
  where: "anywhere",
  description:
    "Shows the settings in force: defaults, then .workflow/config.yaml, then COX_… in the environment.\nTo change one, edit the file: a save takes effect at once.",
  arguments: [
    { name: "action", text: "get: print one setting", optional: true, is: ["get"] },
    { name: "key", text: "its name, such as retry.attempts", optional: true },
  ],
  options: [{ name: "docs", text: "what each setting means" }],
  example: "cox config get retry.attempts",
  async run(input, { workspace, environment, paint, tell }) {
    const { settings } = await import("../../store/config-file.ts");
    const { settingsOf, UNTRUSTED_SETTINGS } = await import("./settings.ts");
    const { documentation, yamlValue } = await import("./config-text.ts");
    const [action, key] = [input.text("action"), input.text("key")];
    if (action !== undefined && (action !== "get" || key === undefined)) {
      return refused({
        exit: 2,
        what: action === "get" ? "cox config get needs the name of a setting." : `There is no cox config ${action}.`,
        todo: "Such as: cox config get retry.attempts",
      });
    }
    const all = settings();
    if (input.flag("docs")) {
      const docs = all.map(({ name, value, text, schema }) => ({
        name,
        default: value,
        text: documentation(text, schema),
        environment: variable(name),
      }));
      const text = docs
        .map((each) => `${paint("bold", each.name)}: ${yamlValue(each.default)}\n  ${each.text}`)
        .join("\n");
      return done(text, { settings: docs });
    }
    if (!workspace)
      return refused({
        exit: 3,
        what: "This is not a workspace: there are no settings.",
        todo: "Run cox init; cox config --docs says what can be set.",
      });
    const { config, written, file, problems } = settingsOf(workspace, environment);
    if (problems.length > 0) {
      return refused({
        exit: 1,
        what: file === "obeyed" ? ".workflow/config.yaml cannot be used." : "The settings cannot be used.",
        why: "The last good settings stay in force while the daemon runs.",
        problems,
        todo: "Mend it: cox config --docs lists the settings.",
      });
    }
    const rows = all.map(({ name }) => ({
      name,
      value: valueAt(config, name),
      from: from(name, written, environment),
    }));
    const untrusted =
      file === "untrusted" ? [`${UNTRUSTED_SETTINGS} Read it, then: cox trust .workflow/${at.config}`] : [];
    if (key !== undefined) {
      for (const line of untrusted) tell(`${line}\n`);
      return one(rows, config, key, yamlValue);
    }
    const text = table(
      rows.map(({ name, value, from: source }) => [
        name,
        yamlValue(value),
        source === "default" ? paint("dim", source) : paint("yellow", source),
      ]),
    );
    return done([...untrusted.map((line) => paint("yellow", line)), text].join("\n"), config);
  },
};

type Row = { name: string; value: unknown; from: string };

function one(rows: readonly Row[], config: unknown, key: string, print: (value: unknown) => string): Outcome {
  const row = rows.find(({ name }) => name === key);
  if (row) return done(typeof row.value === "string" ? row.value : print(row.value), row);
  const inside = rows.filter(({ name }) => name.startsWith(`${key}.`));
  if (inside.length > 0)
    return done(table(inside.map(({ name, value }) => [name, print(value)])), {
      name: key,
      value: valueAt(config, key),
    });
  const near = closest(
    key,
    rows.map(({ name }) => name),
  );
  return refused({
    exit: 2,
    what: `There is no setting ${JSON.stringify(key)}.`,
    todo: near ? `Did you mean ${near}?` : "cox config lists them all.",
  });
}

function from(name: string, written: unknown, environment: NodeJS.ProcessEnv): string {
  if (environment[variable(name)]) return variable(name);
  return valueAt(written, name) === undefined ? "default" : at.config;
}

function variable(name: string): string {
  return `COX_${name.replaceAll(".", "_").toUpperCase()}`;
}

function valueAt(value: unknown, name: string): unknown {
  return name
    .split(".")
    .reduce<unknown>(
      (inner, key) =>
        typeof inner === "object" && inner !== null && Object.hasOwn(inner, key)
          ? (inner as Record<string, unknown>)[key]
          : undefined,
      value,
    );
}
