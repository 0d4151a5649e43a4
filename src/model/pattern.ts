/** What a failure is known by, so that the same one is recognised whenever, wherever and by whomever it is met again. */
import type { Failure, FailureClass } from "./failure.ts";
import type { PatternsShape } from "./pattern-schema.ts";
import { plain } from "./plain.ts";

/** `errors/patterns.json` as it stands: unknown keys and order are part of the value. */
export type PatternsFile = PatternsShape;
export type ErrorPattern = PatternsFile["patterns"][number];

/** Where an editor finds what may stand in the file. */
const PATTERNS_SCHEMA = "../.run/schemas/patterns.schema.json";

export function noPatterns(): PatternsFile {
  return { $schema: PATTERNS_SCHEMA, patterns: [] };
}

const LONGEST_MESSAGE = 160;
/** More of a message is not looked at: signatures are short. */
const LOOKED_AT = 2000;

/**
 * `<class>:<status>:<host or tool>: <message>`, parts that are not known left out; numbers, paths and ids in the message are
 * replaced, since they differ from time to time. `tool` is what was at work, if the message names no host.
 */
export function signatureOf(failure: Pick<Failure, "class" | "message">, tool?: string): string {
  const said = plain(failure.message.slice(0, LOOKED_AT)).replace(/\s+/g, " ").trim();
  const parts = [failure.class, statusIn(said), hostIn(said) ?? missingProgramIn(said) ?? tool];
  const message = normalised(said);
  return `${parts.filter(Boolean).join(":")}${message ? `: ${message}` : ""}`;
}

/** The class that a signature begins with; undefined for one that a person made up. */
export function classIn(signature: string): FailureClass | undefined {
  return (/^[a-z-]+(?=:|$)/.exec(signature)?.[0] ?? undefined) as FailureClass | undefined;
}

/** The program that a shell command starts with, without its folder: `npm`. */
export function programIn(command: string): string | undefined {
  const word = /^(?:\s*[A-Za-z_]\w*=\S*\s+)*\s*([\w@./+-]+)/.exec(command)?.[1];
  const name = word?.slice(word.lastIndexOf("/") + 1);
  return name === "" ? undefined : name;
}

/** Of the message, what stays the same: `exit code #: cannot open <path>`. */
function normalised(message: string): string {
  const text = VARYING.reduce((rest, [varying, name]) => rest.replace(varying, name), message);
  const letters = [...text.replace(/[\s.,;:]+$/, "")];
  return letters.length > LONGEST_MESSAGE ? `${letters.slice(0, LONGEST_MESSAGE - 1).join("")}…` : letters.join("");
}

/** In this order: what contains the others comes first. */
const VARYING: readonly (readonly [RegExp, string])[] = [
  [/\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s"'<>)\]}]+/gi, "<url>"],
  [/\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?/g, "<time>"],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, "<id>"],
  // Prefixed ids of services: req_011CSHoEeqs5C35K2UUqR7Fy.
  [/\b[a-z]{2,10}_(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{8,}\b/g, "<id>"],
  [/\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,}\b/gi, "<id>"],
  [/\b[A-Za-z]:\\[^\s"'<>|:]+/g, "<path>"],
  [/(?<![\w<])(?:~|\.{1,2})?\/[^\s"'`<>():,;]+/g, "<path>"],
  [/(?<![\w<./])(?:[\w@.-]+\/)+[\w@.-]+\.\w+/g, "<path>"],
  [/\b(?:impl-\d+(?:\.\d+)?(?:-a\d+)?|WFS-[a-z0-9-]+)\b/g, "<id>"],
  [/(?<![A-Za-z_])[+-]?\d[\d.,:]*(?<=\d)/g, "#"],
];

function statusIn(message: string): string | undefined {
  const http =
    /\b(?:API Error:?|HTTP(?:\/\d(?:\.\d)?)?|status(?: code)?:?|answered with an error) \(?([1-5]\d\d)\b/i.exec(
      message,
    );
  if (http) return http[1];
  const exit = /\bexit(?: code)? (\d{1,3})\b/i.exec(message)?.[1];
  return exit && `exit ${exit}`;
}

const HOST = String.raw`((?:[a-z0-9-]+\.)+[a-z]{2,}|localhost|\d{1,3}(?:\.\d{1,3}){3})`;
const HOSTS = [
  new RegExp(String.raw`\b[a-z][a-z0-9+.-]{1,20}:\/\/(?:[^\s/@]*@)?${HOST}`, "i"),
  new RegExp(String.raw`\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH)\s+${HOST}\b`, "i"),
  new RegExp(String.raw`\b(?:host|resolve|connect to|connection to|connecting to):? ['"]?${HOST}\b`, "i"),
];

function hostIn(message: string): string | undefined {
  for (const pattern of HOSTS) {
    const host = pattern.exec(message)?.[1];
    if (host) return host.toLowerCase();
  }
  return undefined;
}

/** As shells say it: `sh: 1: frobnicate: not found`. */
function missingProgramIn(message: string): string | undefined {
  return /(?:^|: )([\w@.+-]{1,60}): (?:command )?not found\b/.exec(message)?.[1];
}
