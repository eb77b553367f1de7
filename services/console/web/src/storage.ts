// Keeps a tab signed in over a reload. The tab's session storage holds the HA1,
// never the password, and goes with the tab.

import type { Profile } from "./phone";

const key = "tandem.profile";

/** The profile this tab was signed in with, if any. */
export function load(): Profile | undefined {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(key) ?? "null");
    if (typeof value !== "object" || value === null) return undefined;
    const { account, ha1, name, number } = value as Partial<Record<keyof Profile, unknown>>;
    if (typeof account !== "string" || typeof ha1 !== "string") return undefined;
    return { account, ha1, name: typeof name === "string" ? name : "", number: typeof number === "string" ? number : "" };
  } catch {
    return undefined;
  }
}

/** Remembers a profile, or forgets it. */
export function save(profile: Profile | undefined): void {
  try {
    if (profile === undefined) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, JSON.stringify(profile));
  } catch {
    // Storage may be switched off; the tab then signs in again after a reload.
  }
}
