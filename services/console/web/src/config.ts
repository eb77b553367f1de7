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
  endpoint: string;
  domain: string;
  echo: string;
  demo: DemoAccount[];
}

/** Fetches the configuration; an exchange that cannot say has no extras. */
export async function fetchConfig(): Promise<Config> {
  const none: Config = { endpoint: "", domain: "", echo: "", demo: [] };
  try {
    const response = await fetch("/console/config.json", { cache: "no-store" });
    if (!response.ok) return none;
    const value = (await response.json()) as Partial<Config>;
    return {
      endpoint: value.endpoint ?? "",
      domain: value.domain ?? "",
      echo: value.echo ?? "",
      demo: value.demo ?? [],
    };
  } catch {
    return none;
  }
}

/** Where the sylkRTC endpoint is, seen from a page that is at `page`. */
export function endpointURL(endpoint: string, page: Pick<Location, "protocol" | "host" | "hostname">): string {
  const scheme = page.protocol === "https:" ? "wss:" : "ws:";
  if (endpoint === "") return `${scheme}//${page.host}/webrtcgateway/ws`;
  return endpoint.startsWith(":") ? `${scheme}//${page.hostname}${endpoint}` : endpoint;
}
