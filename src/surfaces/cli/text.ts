/** Texts for terminals. */
import { plain } from "../../model/plain.ts";

const SIMPLE = /^[!-~]+(?: [!-~]+)*$/;

/** Text from strangers on one line, cut at `most` characters. */
export function oneLine(text: string, most = 200): string {
  if (text.length <= most && SIMPLE.test(text)) return text;
  const line = plain(text).replace(/\s+/g, " ").trim();
  const letters = line.length > most ? [...line] : undefined;
  return letters && letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : line;
}

/** Columns under each other; the last one is not padded. Colours do not count. */
export function table(rows: readonly (readonly string[])[], indent = ""): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, widthOf(cell))));
  return rows
    .map(
      (row) =>
        indent +
        row
          .map((cell, column) => (column === row.length - 1 ? cell : pad(cell, widths[column] ?? 0)))
          .join("  ")
          .trimEnd(),
    )
    .join("\n");
}

/** What views say in markdown, as plain text: without escapes, and labels as the ids that commands take. */
export function unmarked(markdown: string): string {
  return markdown
    .replace(/\\([\\`*_[\]|~#+\-=>.)!<])/g, "$1")
    .replaceAll("&lt;", "<")
    .replace(/(`+)(.+?)\1(?!`)/g, "$2")
    .replace(/\bIMPL-0*(\d+(?:\.\d+)?)\b/g, "impl-$1");
}

/** `$0.42`. */
export function dollars(amount: number): string {
  return `$${amount.toFixed(amount > 0 && amount < 0.1 ? 4 : 2)}`;
}

function widthOf(cell: string): number {
  return cell.includes("\u001b") ? plain(cell).length : cell.length;
}

function pad(cell: string, width: number): string {
  return cell + " ".repeat(Math.max(0, width - widthOf(cell)));
}

/** `1.5 MB`. */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 || bytes >= 100 * 1000 ** power ? 0 : 1)} ${units[power]}`;
}
