// The messages of sylkRTC-2 that a phone receives, read defensively: whatever
// is missing or of the wrong type reads as empty.

/** Any JSON object from the exchange. */
export type Message = Record<string, unknown>;

/** A party as the exchange names it. */
export interface Identity {
  uri: string;
  display_name?: string;
}

/** The text in a field, or "". */
export function text(message: Message, field: string): string {
  const value = message[field];
  return typeof value === "string" ? value : "";
}

/** The party in a field. */
export function identity(message: Message, field: string): Identity {
  const value = message[field];
  if (typeof value !== "object" || value === null) return { uri: typeof value === "string" ? value : "" };
  const uri = text(value as Message, "uri");
  const name = text(value as Message, "display_name");
  return name === "" ? { uri } : { uri, display_name: name };
}

/** One frame as a message, or undefined if it is none. */
export function parse(frame: unknown): Message | undefined {
  if (typeof frame !== "string") return undefined;
  try {
    const value: unknown = JSON.parse(frame);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Message) : undefined;
  } catch {
    return undefined;
  }
}
