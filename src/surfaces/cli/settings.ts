/** The settings in force, for every command that goes by them. SPEC sections 12 and 13. */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { Config, WrittenConfig } from "../../config.ts";
import type { Problem } from "../../problems.ts";
import { defaults, readConfig } from "../../store/config-file.ts";
import { at } from "../../store/paths.ts";
import { readRegular } from "../../store/scan.ts";
import type { Workspace } from "./context.ts";
import { mayObey } from "./trusted.ts";

export interface Settings {
  /** The defaults where there are problems. */
  config: Config;
  /** What of it the file and the environment say. */
  written: WrittenConfig;
  /** `untrusted`: there is a file, which the code's branch tracks and nobody trusted; it counts as not there. */
  file: "none" | "obeyed" | "untrusted";
  problems: Problem[];
}

export const UNTRUSTED_SETTINGS =
  ".workflow/config.yaml is tracked by your branch and not trusted, so it is not obeyed: the defaults are in force.";

/** The folder need not be there. */
export function settingsOf(workspace: Workspace, environment: NodeJS.ProcessEnv): Settings {
  const isFolder = lstatSync(workspace.folder, { throwIfNoEntry: false })?.isDirectory() === true;
  const found = isFolder ? readRegular(join(workspace.folder, at.config)) : undefined;
  const file = !found ? "none" : mayObey(workspace, at.config, found.content) ? "obeyed" : "untrusted";
  const read = readConfig(file === "obeyed" && found ? found.content.toString("utf8") : "", environment);
  return "ok" in read
    ? { config: read.ok, written: read.written, file, problems: [] }
    : { config: defaults(), written: {}, file, problems: read.problems };
}
