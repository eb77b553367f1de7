// The list of recent calls; a line calls back.

import { readable, title } from "../address";
import type { Phone, Recent } from "../phone";
import { duration, get, icon, make, say, show } from "./dom";

export class RecentCalls {
  private readonly list = get("recent");
  private readonly badge = get("missed");
  private shown = "";

  constructor(
    private readonly phone: Phone,
    private readonly domain: string,
  ) {
    this.list.addEventListener("pointerenter", () => phone.seen());
    this.list.addEventListener("focusin", () => phone.seen());
  }

  render(): void {
    const { recent, missed } = this.phone;
    say(this.badge, missed === 0 ? "" : `${missed} missed`);
    show(get("recent-empty"), recent.length === 0);
    const now = JSON.stringify(recent);
    if (now === this.shown) return;
    this.shown = now;
    this.list.replaceChildren(...recent.map((entry) => this.line(entry)));
  }

  private line(entry: Recent): HTMLLIElement {
    const item = make("li");
    const button = make("button", "row");
    button.type = "button";
    const name = title(entry.peer, this.domain);
    button.setAttribute("aria-label", `Call ${name} back: ${this.summary(entry)}`);
    const lines = make("span", "lines");
    lines.append(make("strong", "", name), make("span", "", this.summary(entry)));
    const at = make("time", "", new Date(entry.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
    at.dateTime = new Date(entry.at).toISOString();
    button.append(icon(entry.direction === "out" ? "i-out" : "i-in"), lines, at);
    button.addEventListener("click", () => this.phone.dial(entry.peer, false));
    if (entry.missed) button.dataset["missed"] = "";
    button.title = readable(entry.peer.uri, this.domain);
    item.append(button);
    return item;
  }

  private summary(entry: Recent): string {
    return entry.lasted > 0 ? duration(entry.lasted) : entry.words;
  }
}
