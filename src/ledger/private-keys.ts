/** Private keys in PEM form, in text or inside JSON strings, whole or cut off. */

const BEGIN = /-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;
/** Up to the end mark: nothing that closes a string or opens another mark. */
const WHOLE = /(?:[^"'`<>{}\\-]|\\{1,4}[nrt]|-(?!----)){0,20000}-----END[A-Z0-9 ]{0,40}-----/y;
/** Cut off: lines that look like base64 and headers of old keys, then perhaps the start of one more line. */
const HEADERS = String.raw`(?:(?:\s|\\{1,4}[nrt])*(?:Proc-Type|DEK-Info|Version|Comment): [^\s"\\]{1,100})*`;
const CUT = new RegExp(
  `${HEADERS}(?:(?:\\s|\\\\{1,4}[nrt])*[A-Za-z0-9+/=]{24,})*(?:(?:\\s|\\\\{1,4}[nrt])*[A-Za-z0-9+/=]{1,23}(?=["'\`\\\\]|\\s*$))?`,
  "y",
);

export function redactPrivateKeys(text: string, mark: (kind: string) => string): string {
  let result = "";
  let done = 0;
  BEGIN.lastIndex = 0;
  for (let begin = BEGIN.exec(text); begin; begin = BEGIN.exec(text)) {
    const start = begin.index + begin[0].length;
    const body = [WHOLE, CUT].find((form) => {
      form.lastIndex = start;
      return form.test(text);
    });
    result += text.slice(done, begin.index) + mark("private-key");
    done = body?.lastIndex ?? start;
    BEGIN.lastIndex = done;
  }
  return result + text.slice(done);
}
