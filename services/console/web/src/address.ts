// What people type and read, and what sylkRTC takes: user@domain.

import type { Identity } from "./wire";

/**
 * The user@domain that a dialled text means, or undefined if it can mean none.
 * Numbers lose the marks people write into them; a number or a bare name gets
 * the exchange's domain.
 */
export function dialled(text: string, domain: string): string | undefined {
  let address = text.trim().replace(/^sips?:/i, "");
  if (/^tel:/i.test(address)) address = address.slice(4);
  if (address === "") return undefined;
  const at = address.lastIndexOf("@");
  const user = number(at < 0 ? address : address.slice(0, at));
  const host = (at < 0 ? domain : address.slice(at + 1)).toLowerCase();
  if (!/^[^\s@:;<>"]+$/.test(user) || !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(host)) return undefined;
  return `${user}@${host}`;
}

function number(text: string): string {
  return /^\+?[\d\s().\-/]+$/.test(text) && /\d/.test(text) ? text.replace(/[\s().\-/]/g, "") : text;
}

/** An account as typed at sign-in: a bare name gets the exchange's domain. */
export function account(text: string, domain: string): string | undefined {
  return dialled(text, domain);
}

/** Splits user@domain at its last @. */
export function split(address: string): { user: string; domain: string } {
  const at = address.lastIndexOf("@");
  return at < 0 ? { user: address, domain: "" } : { user: address.slice(0, at), domain: address.slice(at + 1) };
}

/** How an address reads best: without the scheme, numbers and own users without the domain. */
export function readable(address: string, domain: string): string {
  const bare = address.replace(/^(sips?|tel):/i, "");
  const { user, domain: host } = split(bare);
  return host === domain || /^\+\d+$/.test(user) ? user : bare;
}

/** What to call a party: its name if it gave one, otherwise its address. */
export function title(party: Identity, domain: string): string {
  return party.display_name?.trim() || readable(party.uri, domain);
}

/** One or two letters that stand for a party, or "#" for a number. */
export function initials(name: string): string {
  if (/^[+\d]/.test(name)) return "#";
  const words = name.split(/[\s._-]+/).filter((word) => word !== "");
  const letters = words.slice(0, 2).map((word) => Array.from(word)[0]!.toUpperCase());
  return letters.join("") || "?";
}
