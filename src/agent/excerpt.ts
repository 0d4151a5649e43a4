/** What an agent or a program said, as one short line that is safe to show anywhere. */
import { plain } from "../model/plain.ts";

/** On one line, without control characters, at most `length` characters. */
export function excerpt(text: string, length = 200): string {
  const line = plain(text.slice(0, length * 8))
    .replace(/\s+/g, " ")
    .trim();
  const characters = [...line];
  return characters.length <= length
    ? line
    : `${characters
        .slice(0, length - 1)
        .join("")
        .trimEnd()}…`;
}

/** The first line that says something. */
export function firstLine(text: string, length = 200): string {
  return excerpt(
    plain(text.slice(0, 100_000))
      .split("\n")
      .find((line) => line.trim() !== "") ?? "",
    length,
  );
}
