/** Tools by the plain names that workflows of other programs use, and by Claude Code's own. */

const PLAIN: Readonly<Record<string, readonly string[]>> = {
  read_file: ["Read"],
  write_file: ["Write"],
  edit_file: ["Edit"],
  execute_bash: ["Bash"],
  execute_python: ["Bash"],
  search: ["Glob", "Grep"],
  web: ["WebFetch", "WebSearch"],
};
export const PLAIN_TOOLS = Object.keys(PLAIN);

/** Claude Code's names: each begins with a capital, those of a server with `mcp__`, and a rule may follow. */
export function isTool(name: string): boolean {
  return Object.hasOwn(PLAIN, name) || /^(?:[A-Z][A-Za-z]*(?:\(.*\))?|mcp__[\w-]+)$/s.test(name);
}

export function claudeTools(names: readonly string[]): string[] {
  return [...new Set(names.flatMap((name) => (Object.hasOwn(PLAIN, name) ? (PLAIN[name] ?? []) : [name])))];
}
