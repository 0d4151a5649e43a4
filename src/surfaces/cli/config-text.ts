/** Settings as text: the commented file that `cox init` writes, and the documentation. */
import { CONFIG, settings, type SchemaNode } from "../../store/config-file.ts";

/** Relative to the file, as the YAML language server reads it. */
const MODELINE = "# yaml-language-server: $schema=.run/schemas/config.schema.json";

export function commentedConfig(): string {
  const lines = [
    MODELINE,
    "# Settings of Coxswain. Every key is optional; what stands here, commented out, are the defaults.",
    "# To change a setting, remove the # in front of it (and of its section). A save takes effect at once.",
    "# A variable COX_… in the environment wins over this file: COX_CONCURRENCY=2, COX_RETRY_ATTEMPTS=1.",
  ];
  let section = "";
  for (const { name, value, text, schema } of settings()) {
    const [top = "", inner] = name.split(".");
    if (inner !== undefined && top !== section) lines.push("", ...comment(sectionText(top), "#"), `#${top}:`);
    if (inner === undefined) lines.push("");
    section = inner === undefined ? "" : top;
    const indent = inner === undefined ? "" : "  ";
    lines.push(
      ...comment(documentation(text, schema), `#${indent}${inner === undefined ? "" : "#"}`),
      `#${indent}${inner ?? top}: ${yamlValue(value)}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

export function documentation(text: string, schema: SchemaNode): string {
  const choices = schema.enum;
  return choices ? `${text} One of: ${choices.join(", ")}.` : text;
}

export function yamlValue(value: unknown): string {
  return typeof value === "string" &&
    /^[A-Za-z][\w./-]*$|^\d+[a-z]+$/.test(value) &&
    !/^(true|false|null|yes|no|on|off|y|n)$/i.test(value)
    ? value
    : JSON.stringify(value);
}

function sectionText(name: string): string {
  const node = CONFIG.properties?.[name];
  return node?.description ?? "";
}

function comment(text: string, start: string): string[] {
  return text === "" ? [] : [`${start} ${text}`];
}
