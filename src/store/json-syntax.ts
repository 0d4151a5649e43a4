/** Where a text stops being JSON. Reads without recursion, so that no nesting is too deep for it. RFC 8259. */

export interface SyntaxTrouble {
  /** Offset of the first character that cannot stand where it does; the text's length if it ends too early. */
  offset: number;
  /** What could have stood there, in words. */
  expected: string;
}

type Place = "value" | "item" | "first-key" | "key" | "colon" | "after" | "end";

const EXPECTED: Record<Place, string> = {
  value: "a value",
  item: 'a value or "]"',
  "first-key": 'a key in double quotes or "}"',
  key: "a key in double quotes",
  colon: '":"',
  after: "",
  end: "nothing more",
};

/** Undefined for valid JSON. */
export function syntaxTrouble(text: string): SyntaxTrouble | undefined {
  const open: ("{" | "[")[] = [];
  let place = "value" as Place;
  let i = 0;
  const past = (end: number) => {
    i = end;
    place = open.length > 0 ? "after" : "end";
  };
  for (;;) {
    while (i < text.length && " \t\n\r".includes(text.charAt(i))) i++;
    const c = text.charAt(i);
    const inside = open.at(-1);
    const trouble = {
      offset: i,
      expected: place === "after" ? `"," or "${inside === "{" ? "}" : "]"}"` : EXPECTED[place],
    };
    if (c === "") return place === "end" ? undefined : trouble;
    switch (place) {
      case "item":
      case "value": {
        if (c === "]" && place === "item") {
          open.pop();
          past(i + 1);
        } else if (c === "{" || c === "[") {
          open.push(c);
          place = c === "{" ? "first-key" : "item";
          i++;
        } else {
          const end = c === '"' ? stringEnd(text, i) : (wordEnd(text, i) ?? numberEnd(text, i));
          if (end === undefined) return trouble;
          if (typeof end === "object") return end;
          past(end);
        }
        break;
      }
      case "first-key":
      case "key": {
        if (c === "}" && place === "first-key") {
          open.pop();
          past(i + 1);
          break;
        }
        if (c !== '"') return trouble;
        const end = stringEnd(text, i);
        if (typeof end === "object") return end;
        i = end;
        place = "colon";
        break;
      }
      case "colon":
        if (c !== ":") return trouble;
        place = "value";
        i++;
        break;
      case "after":
        if (c === ",") {
          place = inside === "{" ? "key" : "value";
          i++;
        } else if (c === (inside === "{" ? "}" : "]")) {
          open.pop();
          past(i + 1);
        } else return trouble;
        break;
      case "end":
        return trouble;
    }
  }
}

/** Where the string that begins at `from` is over. */
function stringEnd(text: string, from: number): number | SyntaxTrouble {
  for (let i = from + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 34) return i + 1;
    if (c < 32) return { offset: i, expected: "a double quote at the end of the text" };
    if (c !== 92) continue;
    i++;
    if (i >= text.length) break;
    if (text.charAt(i) === "u") {
      for (let n = 0; n < 4; n++) {
        i++;
        if (i >= text.length) return { offset: text.length, expected: "four hexadecimal digits" };
        if (!/[0-9a-f]/i.test(text.charAt(i))) return { offset: i, expected: "four hexadecimal digits" };
      }
    } else if (!'"\\/bfnrt'.includes(text.charAt(i)))
      return { offset: i, expected: 'one of " \\ / b f n r t u after a backslash' };
  }
  return { offset: text.length, expected: "a double quote at the end of the text" };
}

function wordEnd(text: string, from: number): number | SyntaxTrouble | undefined {
  for (const word of ["true", "false", "null"]) {
    if (text.charAt(from) !== word.charAt(0)) continue;
    for (let n = 1; n < word.length; n++)
      if (text.charAt(from + n) !== word.charAt(n)) return { offset: from + n, expected: word };
    return from + word.length;
  }
  return undefined;
}

function numberEnd(text: string, from: number): number | SyntaxTrouble | undefined {
  let i = from;
  const digits = () => {
    const start = i;
    while (/[0-9]/.test(text.charAt(i))) i++;
    return i > start;
  };
  if (text.charAt(i) === "-") i++;
  if (text.charAt(i) === "0") i++;
  else if (!digits()) return i === from ? undefined : { offset: i, expected: "a digit" };
  if (text.charAt(i) === ".") {
    i++;
    if (!digits()) return { offset: i, expected: "a digit" };
  }
  if (/[eE]/.test(text.charAt(i))) {
    i++;
    if (/[-+]/.test(text.charAt(i))) i++;
    if (!digits()) return { offset: i, expected: "a digit" };
  }
  return i;
}
