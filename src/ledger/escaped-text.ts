/** Secrets in text that was escaped for markdown (`\_`) or for the labels of a diagram (`#95;`), as the views do. */

/** No escape of JSON is among them; and what stands before a replaced place escapes nothing. */
const MARKDOWN_ESCAPE = /(?<!\\)\\(?!\[redacted:)([`*_[\]|~])/g;
const HAS_MARKDOWN_ESCAPE = /(?<!\\)\\(?!\[redacted:)[`*_[\]|~]/;
/** The label of a node, `["…"]`. */
const LABEL = /(?<=\[\\{0,3}")[^"\\\n]{1,1000}(?=\\{0,3}"\])/g;
const LABEL_ESCAPE = /#(\d{1,7});/g;
const ESCAPED_IN_LABELS = /[^\p{L}\p{M}\p{N} .,:/?!+=…[\]-]/gu;

/** The text, with what `redact` changes in it as it was before it was escaped; all else stays escaped as it is. */
export function redactEscaped(text: string, redact: (plain: string) => string): string {
  let result = text;
  if (HAS_MARKDOWN_ESCAPE.test(result)) {
    const clean = (line: string) => changed(line, unescaped(line), redact) ?? line;
    result = result
      .split("\n")
      .map((line) => (HAS_MARKDOWN_ESCAPE.test(line) ? clean(line) : line))
      .join("\n");
  }
  if (!result.includes("#") || !/\[\\{0,3}"/.test(result)) return result;
  return result.replace(LABEL, (label) => {
    if (!label.includes("#")) return label;
    const plain = label.replace(LABEL_ESCAPE, (escape, code: string) => character(Number(code)) ?? escape);
    const clean = changed(label, plain, redact);
    return clean?.replace(ESCAPED_IN_LABELS, (one) => `#${one.codePointAt(0)};`) ?? label;
  });
}

/** The clean text where there was something to redact; undefined where the escapes hid nothing. */
function changed(escaped: string, plain: string, redact: (plain: string) => string): string | undefined {
  if (plain === escaped) return undefined;
  const clean = redact(plain);
  return clean === plain ? undefined : clean;
}

function unescaped(line: string): string {
  return line.replace(MARKDOWN_ESCAPE, "$1").replaceAll("&lt;", "<").replaceAll("&amp;", "&");
}

function character(code: number): string | undefined {
  return code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}
