/** The strings and numbers of a JSON text, with the places where they stand. */

export interface Token {
  start: number;
  end: number;
  /** Keys that lead to a value, joined by `/`; of a key the place where it stands. */
  place: string;
  is: "key" | "string" | "number";
}

const TOKEN = /\s+|[[\]{},:]|"[^"\\]*(?:\\.[^"\\]*)*"|[^\s"[\]{},:]+/y;

/** Of a text that is JSON. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const path: { list: boolean; key: string }[] = [];
  const placeNow = () => path.map(({ list, key }) => (list ? "*" : key)).join("/");
  let keyNext = false;
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) {
    const [raw] = match;
    const end = TOKEN.lastIndex;
    const token = { start: end - raw.length, end };
    if (raw.trim() === "") continue;
    if (raw === "{" || raw === "[") {
      path.push({ list: raw === "[", key: "" });
      keyNext = raw === "{";
    } else if (raw === "}" || raw === "]") {
      path.pop();
      keyNext = false;
    } else if (raw === ",") keyNext = path.at(-1)?.list === false;
    else if (raw === ":") keyNext = false;
    else if (keyNext) {
      const top = path.at(-1);
      if (top) top.key = raw.slice(1, -1).replaceAll("/", "~");
      tokens.push({ ...token, place: placeNow(), is: "key" });
    } else if (raw.startsWith('"')) tokens.push({ ...token, place: placeNow(), is: "string" });
    else if (/^-?\d/.test(raw)) tokens.push({ ...token, place: placeNow(), is: "number" });
  }
  return tokens;
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
