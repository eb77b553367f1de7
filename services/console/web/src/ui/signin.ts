// Signing in: demo accounts by one click, any other by account and password.

import { account as normal, split } from "../address";
import type { Config, DemoAccount } from "../config";
import { ha1 } from "../md5";
import type { Phone } from "../phone";
import { get, make, say, show, write } from "./dom";

export class SignIn {
  private readonly section = get("signin");
  private readonly form = get<HTMLFormElement>("signin-form");
  private readonly account = get<HTMLInputElement>("account");
  private readonly password = get<HTMLInputElement>("password");
  private readonly submit = get<HTMLButtonElement>("signin-submit");
  private readonly error = get("signin-error");
  private mistake = "";

  constructor(
    private readonly phone: Phone,
    private readonly config: Config,
  ) {
    show(get("demo"), config.demo.length > 0);
    get("demo-accounts").append(...config.demo.map((demo) => this.demo(demo)));
    if (config.domain !== "") this.account.placeholder = `name@${config.domain}`;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.own();
    });
  }

  render(): void {
    const { phone } = this;
    const busy = phone.profile !== undefined;
    show(this.section, !phone.signedIn);
    say(this.error, phone.refusal || this.mistake);
    write(this.submit, busy ? "Signing in…" : "Sign in");
    for (const button of this.section.querySelectorAll("button")) button.disabled = busy;
    if (phone.signedIn) this.password.value = "";
  }

  private demo(demo: DemoAccount): HTMLLIElement {
    const button = make("button", "account");
    button.type = "button";
    button.dataset["account"] = demo.account;
    const lines = make("span", "lines");
    lines.append(make("strong", "", demo.name || demo.account), make("span", "", `${demo.account} · ${demo.number}`));
    button.append(lines);
    button.addEventListener("click", () => this.signIn(demo.account, demo.password, demo.name, demo.number));
    const item = make("li");
    item.append(button);
    return item;
  }

  private own(): void {
    const address = normal(this.account.value, this.config.domain);
    this.phone.refusal = "";
    this.mistake = "";
    if (address === undefined) {
      this.mistake = "Enter an account such as name@example.com";
      this.account.focus();
    } else if (this.password.value === "") {
      this.mistake = "Enter the password";
      this.password.focus();
    } else {
      this.signIn(address, this.password.value);
      return;
    }
    this.render();
  }

  private signIn(account: string, password: string, name = "", number = ""): void {
    this.mistake = "";
    const { user, domain } = split(account);
    this.phone.signIn({ account, ha1: ha1(user, domain, password), name, number });
  }
}
