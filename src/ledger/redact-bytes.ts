/** Redaction of a file's bytes, in whatever encoding its text is: one stray byte must not keep a secret in it. */
import { isUtf8 } from "node:buffer";

/** The same buffer where nothing was found. Bytes that are no text stay as they are. */
export function redactBytes(content: Buffer, redact: (text: string) => string): Buffer {
  const through = (given: Buffer, decode: (given: Buffer) => string, encode: (text: string) => Buffer) => {
    const before = decode(given);
    const after = redact(before);
    return after === before ? given : encode(after);
  };
  const wide = content.includes(0) ? wideIn(content) : undefined;
  // A mark of UTF-16 may stand before anything: the bytes are looked through as others are too.
  const bytes = wide ? through(content, wide.decode, wide.encode) : content;
  if (isUtf8(bytes)) return through(bytes, String, (text) => Buffer.from(text));
  const clean = through(bytes, decodeMixed, encodeMixed);
  if (isUtf8(clean)) return clean;
  return through(
    clean,
    (given) => given.toString("latin1"),
    (text) => Buffer.from(text, "latin1"),
  );
}

/** UTF-16, by its mark or by the zeros that ordinary letters have in it. */
function wideIn(content: Buffer): { decode: (bytes: Buffer) => string; encode: (text: string) => Buffer } | undefined {
  const [first, second] = content;
  const zeros = [0, 0];
  const look = content.subarray(0, 4096);
  for (const [at, byte] of look.entries()) if (byte === 0) zeros[at % 2] = (zeros[at % 2] ?? 0) + 1;
  const many = look.length / 8;
  const little = (first === 0xff && second === 0xfe) || ((zeros[1] ?? 0) > many && zeros[0] === 0);
  const big = (first === 0xfe && second === 0xff) || ((zeros[0] ?? 0) > many && zeros[1] === 0);
  if (!little && !big) return undefined;
  const tail = content.subarray(content.length - (content.length % 2));
  const turned = (bytes: Buffer) => (big ? Buffer.from(bytes).swap16() : bytes);
  return {
    decode: (bytes) => turned(bytes.subarray(0, bytes.length - tail.length)).toString("utf16le"),
    encode: (text) => Buffer.concat([turned(Buffer.from(text, "utf16le")), tail]),
  };
}

/** Of UTF-8 with stray bytes: each of those as a lone surrogate, which no UTF-8 text has. */
function decodeMixed(bytes: Buffer): string {
  const stray = (found: string) => Array.from(found, (c) => String.fromCharCode(0xdc00 + c.charCodeAt(0))).join("");
  return bytes.toString("latin1").replace(NOT_ASCII, (found) => {
    const part = Buffer.from(found, "latin1");
    return isUtf8(part) ? part.toString() : stray(found);
  });
}

const NOT_ASCII = /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\x80-\xff]/g;

function encodeMixed(text: string): Buffer {
  const parts = text.split(/([\udc80-\udcff]+)/u);
  return Buffer.concat(
    parts.map((part, n) => (n % 2 === 0 ? Buffer.from(part) : Buffer.from(Array.from(part, lowByte)))),
  );
}

function lowByte(c: string): number {
  return c.charCodeAt(0) & 0xff;
}
