/** `.workflow/config.yaml`: read, checked, and completed with the defaults. SPEC section 12. */
import { isAlias, LineCounter, parseDocument, visit } from "yaml";
import type { Config, WrittenConfig } from "../config.ts";
import { problem, type Problem } from "../problems.ts";
import { checkConfig } from "./check.ts";
import { SCHEMAS } from "./schemas.js";

/** As it is generated: to load what it is made from takes longer than to read all settings. */
export const CONFIG: SchemaNode = SCHEMAS["config.schema.json"];

const MAX_CONFIG_BYTES = 64 * 1024;

export type ReadConfig = { ok: Config; written: WrittenConfig } | { problems: Problem[] };

/** Settings from the file's text and the environment (`COX_CONCURRENCY=2`, `COX_LEDGER_DURABILITY=process`), which wins. */
export function readConfig(text: string, environment: Record<string, string | undefined> = {}): ReadConfig {
  if (Buffer.byteLength(text) > MAX_CONFIG_BYTES)
    return { problems: [problem("bad-config", "The settings have more than 64 kB.")] };
  const lines = new LineCounter();
  // The library's own check for duplicate keys is quadratic; sizes are bounded above, and the check stays on.
  const document = parseDocument(text.replace(/^\ufeff/, ""), { lineCounter: lines, uniqueKeys: true, version: "1.2" });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  if (document.errors.length > 0) {
    return {
      problems: document.errors.map((error) => problem("bad-config", firstLine(error.message), place(error.pos[0]))),
    };
  }
  let aliases = false;
  visit(document, (_key, node) => {
    if (isAlias(node)) aliases = true;
  });
  if (aliases)
    return {
      problems: [problem("bad-config", "Aliases (*name) are not used in settings.", { hint: "Write the value out." })],
    };

  const written = withoutEmptySections(document.toJS() ?? {}, CONFIG);
  const fromEnvironment = environmentSettings(environment);
  const checked = checkConfig(isObject(written) ? merge(written, fromEnvironment) : written);
  if ("problems" in checked) {
    return {
      problems: checked.problems.map((found) => {
        const path = (found.pointer ?? "")
          .split("/")
          .slice(1)
          .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
        if (has(fromEnvironment, path)) return fromVariable(found, path);
        const node = path.length > 0 ? document.getIn(path, true) : undefined;
        const range = (node as { range?: [number, number, number] } | undefined)?.range;
        return { ...found, code: "bad-config" as const, ...(range ? place(range[0]) : {}) };
      }),
    };
  }
  return { ok: merge(defaults(), checked.ok) as Config, written: checked.ok };
}

export function defaults(): Config {
  return defaultsOf(CONFIG) as Config;
}

/** Every setting as `[name, default, documentation, schema]`, nested names with dots. */
export function settings(): Setting[] {
  return settingsOf(CONFIG);
}

export interface Setting {
  name: string;
  value: unknown;
  text: string;
  schema: SchemaNode;
}

export function settingsOf(root: SchemaNode): Setting[] {
  const list: Setting[] = [];
  const collect = (schema: SchemaNode, prefix: string) => {
    for (const [key, inner] of Object.entries(schema.properties ?? {})) {
      const name = prefix ? `${prefix}.${key}` : key;
      if (inner.properties) collect(inner, name);
      else list.push({ name, value: inner.default, text: inner.description ?? "", schema: inner });
    }
  };
  collect(root, "");
  return list;
}

export interface SchemaNode {
  properties?: Record<string, SchemaNode>;
  default?: unknown;
  description?: string;
  type?: string;
  enum?: unknown[];
  anyOf?: SchemaNode[];
}

function defaultsOf(schema: SchemaNode): unknown {
  if (!schema.properties) return structuredClone(schema.default);
  return Object.fromEntries(Object.entries(schema.properties).map(([key, inner]) => [key, defaultsOf(inner)]));
}

/** A section whose lines are all comments is empty, which YAML calls null. */
function withoutEmptySections(written: unknown, schema: SchemaNode): unknown {
  if (!isObject(written)) return written;
  const sections = Object.entries(written).filter(
    ([key, value]) => !(value === null && ownOf(schema.properties, key)?.properties),
  );
  return Object.fromEntries(
    sections.map(([key, value]) => [key, withoutEmptySections(value, ownOf(schema.properties, key) ?? {})]),
  );
}

function ownOf<T>(record: Record<string, T> | undefined, key: string): T | undefined {
  return record && Object.hasOwn(record, key) ? record[key] : undefined;
}

function has(value: unknown, path: readonly string[]): boolean {
  let at = value;
  for (const key of path) {
    if (!isObject(at) || !Object.hasOwn(at, key)) return Array.isArray(at);
    at = at[key];
  }
  return path.length > 0;
}

function fromVariable(found: Problem, path: readonly string[]): Problem {
  const { pointer: _, ...rest } = found;
  const known = settings().find(({ name }) => path.join(".").startsWith(name))?.name ?? path.join(".");
  return { ...rest, code: "bad-config", message: `From the environment, ${variableOf(known)}: ${found.message}` };
}

const variableOf = (name: string) => `COX_${name.replaceAll(".", "_").toUpperCase()}`;

function environmentSettings(environment: Record<string, string | undefined>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const { name, schema } of settings()) {
    const value = environment[variableOf(name)];
    if (value === undefined || value === "") continue;
    const path = name.split(".");
    const last = path.pop() as string;
    let target = result;
    for (const part of path) target = (target[part] ??= {}) as Record<string, unknown>;
    target[last] = fromText(value, schema);
  }
  return result;
}

function fromText(value: string, schema: SchemaNode): unknown {
  const types = [schema.type, ...(schema.anyOf ?? []).map((option) => option.type)];
  if (types.includes("array"))
    return value
      .split(",")
      .map((part) => part.trim())
      .filter(Boolean);
  if ((types.includes("number") || types.includes("integer")) && value.trim() !== "" && !Number.isNaN(Number(value)))
    return Number(value);
  if (types.includes("boolean") && /^(true|false)$/.test(value)) return value === "true";
  return value;
}

function merge(base: unknown, over: unknown): unknown {
  if (!isObject(base) || !isObject(over)) return over ?? base;
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    Object.defineProperty(result, key, {
      value: merge(result[key], value),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return result;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const firstLine = (text: string) => text.split("\n")[0] ?? text;
