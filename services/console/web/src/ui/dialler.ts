// Dialling: the field, its pad, and who there is to try.

import { dialled } from "../address";
import type { Config } from "../config";
import type { Phone } from "../phone";
import type { Sounds } from "../sounds";
import type { Identity } from "../wire";
import { get, icon, make, say, show } from "./dom";
import { fillPad } from "./pad";

export class Dialler {
  private readonly field = get<HTMLInputElement>("dial");
  private readonly erase = get<HTMLButtonElement>("dial-erase");
  private readonly error = get("dial-error");
  private listed = "";

  constructor(
    private readonly phone: Phone,
    private readonly config: Config,
    sounds: Sounds,
  ) {
    fillPad(get("dial-pad"), (digit) => this.type(digit, sounds), true);
    this.erase.addEventListener("click", () => this.rub());
    this.field.addEventListener("input", () => this.edited());
    get<HTMLFormElement>("dial-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.dial(false);
    });
    get("call-video").addEventListener("click", () => this.dial(true));
  }

  render(): void {
    const { phone } = this;
    for (const id of ["call-audio", "call-video"]) get<HTMLButtonElement>(id).disabled = !phone.registered;
    const account = phone.profile?.account ?? "";
    if (account === this.listed) return;
    this.listed = account;
    this.field.value = "";
    this.edited();
    this.people(account);
  }

  focus(): void {
    // On a touch screen focus would open the keyboard over the pad.
    if (!window.matchMedia("(pointer: coarse)").matches) this.field.focus();
  }

  private dial(video: boolean): void {
    if (this.field.value.trim() === "") {
      say(this.error, "Enter a number, an address or a name");
      this.field.focus();
      return;
    }
    const uri = dialled(this.field.value, this.config.domain);
    if (uri === undefined) {
      say(this.error, "This is no number and no address");
      this.field.focus();
      return;
    }
    this.phone.dial({ uri }, video);
  }

  private people(own: string): void {
    const people: Array<Identity & { number: string }> = this.config.demo
      .filter((demo) => demo.account !== own)
      .map((demo) => ({ uri: demo.account, display_name: demo.name, number: demo.number }));
    if (this.config.echo !== "") {
      const uri = dialled(this.config.echo, this.config.domain);
      if (uri !== undefined) people.unshift({ uri, display_name: "Echo", number: "hear and see yourself" });
    }
    show(get("people-card"), people.length > 0);
    get("people").replaceChildren(...people.map((person) => this.person(person)));
  }

  private person({ uri, display_name, number }: Identity & { number: string }): HTMLLIElement {
    const item = make("li", "row");
    const lines = make("span", "lines");
    const name = display_name || uri;
    lines.append(make("strong", "", name), make("span", "", number || uri));
    item.append(lines);
    const peer = { uri, display_name: name };
    for (const [video, glyph, label] of [[false, "i-phone", `Call ${name}`], [true, "i-video", `Video call to ${name}`]] as const) {
      const button = make("button", "icon");
      button.type = "button";
      button.setAttribute("aria-label", label);
      button.append(icon(glyph));
      button.addEventListener("click", () => this.phone.dial(peer, video));
      item.append(button);
    }
    return item;
  }

  private type(digit: string, sounds: Sounds): void {
    sounds.key(digit);
    const at = this.field.selectionEnd ?? this.field.value.length;
    this.field.setRangeText(digit, this.field.selectionStart ?? at, at, "end");
    this.edited();
  }

  private rub(): void {
    this.field.value = this.field.value.slice(0, -1);
    this.edited();
  }

  private edited(): void {
    say(this.error, "");
    show(this.erase, this.field.value !== "");
  }
}
