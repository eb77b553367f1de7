// What the exchange tells its page: its domain, and the demo accounts.

/** An account anybody may try. */
export interface DemoAccount {
  account: string;
  password: string;
  number: string;
  name: string;
}

/** The page's configuration, from /console/config.json. */
export interface Config {
  domain: string;
  echo: string;
  demo: DemoAccount[];
}

/** Fetches the configuration; an exchange that cannot say has no extras. */
export async function fetchConfig(): Promise<Config> {
  const none: Config = { domain: "", echo: "", demo: [] };
  try {
    const response = await fetch("/console/config.json", { cache: "no-store" });
    if (!response.ok) return none;
    const value = (await response.json()) as Partial<Config>;
    return { domain: value.domain ?? "", echo: value.echo ?? "", demo: value.demo ?? [] };
  } catch {
    return none;
  }
}
