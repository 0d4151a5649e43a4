/** Text from strangers (agents, dropped files) made harmless for terminals and pages. */

/** CSI; OSC, DCS, SOS, PM and APC with their content; any other escape sequence. Each runs in linear time. */
const SEQUENCES =
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u0090\u0098\u009c-\u009f]*(?:\u0007|\u001b\\|\u009c)|\u001b[ -/]*[0-~]/g;
/** C0 and C1 less tab and newline, and what reorders the letters around it. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
const ANY = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

/** The text without control characters (tab and newline stay), terminal sequences and bidirectional overrides. */
export function plain(text: string): string {
  return ANY.test(text) ? text.replace(SEQUENCES, "").replace(CONTROLS, "") : text;
}
