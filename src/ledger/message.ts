/** What goes into one commit of the ledger: its people, its message, its paths. */
import type { LedgerEntry } from "./ledger.ts";
import { isOwnTrailer, ownSubject } from "./own-words.ts";

export const COXSWAIN = "Coxswain <coxswain@localhost>";
const SOMEBODY = "Somebody <somebody@localhost>";

/** `Name <email>` as git accepts it, whatever was configured. */
export function ident(name: string, email: string): string {
  const clean = (text: string) => text.replace(/[<>\p{Cc}]+/gu, "").trim();
  const [fallbackName = "", fallbackEmail = ""] = SOMEBODY.slice(0, -1).split(" <");
  return `${clean(name) || fallbackName} <${clean(email).replace(/\s+/g, "") || fallbackEmail}>`;
}

/** Subject and trailers with what redaction leaves of them; Coxswain's own words stay, or no task's chain would hold. */
export function redactMessage(
  entry: Pick<LedgerEntry, "subject" | "trailers">,
  redact: (text: string) => string,
): Pick<LedgerEntry, "subject" | "trailers"> {
  const { own, rest } = ownSubject(entry.subject);
  return {
    subject: own + (rest && redact(rest)),
    trailers: entry.trailers.map(([key, value]) => [key, isOwnTrailer(key, value) ? value : redact(value)]),
  };
}

/** Subject, blank line, trailers, each on a line of its own. */
export function message(entry: Pick<LedgerEntry, "subject" | "trailers">): string {
  const subject = oneLine(entry.subject) || "workspace: changed";
  const trailers = entry.trailers
    .map(([key, value]) => [key.replace(/[^A-Za-z0-9-]+/g, "-").replace(/^-+|-+$/g, ""), oneLine(value)])
    .filter(([key, value]) => key && value)
    .map(([key, value]) => `${key}: ${value}\n`);
  return trailers.length === 0 ? `${subject}\n` : `${subject}\n\n${trailers.join("")}`;
}

function oneLine(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    .trim();
}

/** Why a path cannot stand in the ledger; undefined for one that can. `.run/` is never recorded. */
export function badPath(path: string): string | undefined {
  if (path === "" || path.startsWith("/") || path.endsWith("/")) return "it does not name a file inside .workflow";
  if (path.includes("\0") || !path.isWellFormed()) return "it has characters that no path has";
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) return "it has an empty or dotted part";
  // Names that git, on some file system, takes for its own directory (CVE-2014-9390 and kin).
  if (parts.some((part) => /^(?:\.git|git~\d)[ .]*(?::.*)?$/i.test(part.replace(/\p{Cf}/gu, ""))))
    return "it has a part named like .git";
  if (parts[0] === ".run") return ".run is never recorded";
  return undefined;
}
