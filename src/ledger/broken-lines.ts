/** Line breaks that terminals, mails and `base64` put into a secret; inside a JSON string the break is an escape. */

/** With the indentation of the next line. */
export const BREAK = String.raw`(?:\r?\n|(?:\\{1,3}r)?\\{1,3}n)[ \t]{0,8}`;

/** Where each break begins, and where the next line does. */
export function* breaksIn(text: string): Generator<{ start: number; end: number }> {
  const breaks = new RegExp(BREAK, "g");
  for (let match = breaks.exec(text); match; match = breaks.exec(text))
    yield { start: match.index, end: breaks.lastIndex };
}
