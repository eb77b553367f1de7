// Why a call ended, in words. A sylkRTC reason starts with a SIP status code;
// its phrase is only shown where the code is unknown.

const words: Record<number, string> = {
  200: "Call ended",
  400: "The exchange did not understand the call",
  401: "Wrong account or password",
  403: "Not allowed",
  404: "No such number or address",
  408: "No answer",
  410: "No longer reachable",
  429: "Too many calls, try again later",
  480: "Not reachable right now",
  484: "Incomplete number",
  // sylkRTC says 486 for a declined call too.
  486: "Busy, or declined",
  487: "Cancelled",
  488: "No audio or video format in common",
  503: "The exchange is full, try again later",
  600: "Busy",
  603: "Declined",
  604: "No such number or address",
  904: "Wrong account or password",
};

/** The status code a reason starts with, or 0. */
export function code(reason: string): number {
  const match = /^\s*(\d{3})\b/.exec(reason);
  return match ? Number(match[1]) : 0;
}

/** A reason in words a caller understands. */
export function inWords(reason: string): string {
  const status = code(reason);
  const known = words[status];
  if (known !== undefined) return known;
  if (status >= 500 && status < 600) return "The exchange could not complete the call";
  return reason.trim() || "Call ended";
}
