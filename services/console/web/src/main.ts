// The softphone page: a sylkRTC-2 client like any other.

import { readable } from "./address";
import { endpointURL, fetchConfig } from "./config";
import { Phone } from "./phone";
import { Sounds } from "./sounds";
import { load, save } from "./storage";
import { CallView } from "./ui/callview";
import { Dialler } from "./ui/dialler";
import { get, show, write } from "./ui/dom";
import { RecentCalls } from "./ui/recent";
import { SignIn } from "./ui/signin";


async function start(): Promise<void> {
  const config = await fetchConfig();
  const sounds = new Sounds();
  let views: Array<{ render(): void }> = [];
  let queued = false;
  // Changes come in bursts; the page is drawn once for all of a burst.
  const render = () => {
    if (queued) return;
    queued = true;
    queueMicrotask(() => {
      queued = false;
      for (const view of views) view.render();
    });
  };
  const phone = new Phone(endpointURL(config.endpoint, location), render);
  const dialler = new Dialler(phone, config, sounds);
  views = [
    { render: () => frame(phone, config.domain) },
    new SignIn(phone, config),
    dialler,
    new RecentCalls(phone, config.domain),
    new CallView(phone, config.domain, sounds, () => dialler.focus()),
  ];

  get("signout").addEventListener("click", () => phone.signOut());
  window.addEventListener("online", () => phone.hurry());
  document.addEventListener("visibilitychange", () => document.hidden || phone.hurry());
  // A closed tab hangs up; otherwise the other side would wait for a timeout.
  window.addEventListener("pagehide", () => phone.call?.hangUp());

  const known = load();
  if (known !== undefined) phone.signIn(known);
  else render();
}

/** What surrounds the views: who is signed in, and how the link stands. */
function frame(phone: Phone, domain: string): void {
  const { profile, signedIn } = phone;
  document.body.dataset["view"] = signedIn ? "phone" : "signin";
  show(get("phone"), signedIn);
  show(get("identity"), signedIn);
  const name = profile?.name || readable(profile?.account ?? "", domain);
  write(get("identity-name"), name);
  write(get("identity-address"), profile?.number || (profile?.account ?? ""));
  const connection = get("connection");
  const [state, words] = linkInWords(phone);
  connection.dataset["state"] = state;
  write(connection, words);
  if (signedIn) save(profile);
  else if (profile === undefined) save(undefined);
}

function linkInWords(phone: Phone): [state: string, words: string] {
  if (phone.registered) return ["registered", "Connected"];
  switch (phone.linkState) {
    case "closed":
      return ["closed", ""];
    case "connecting":
      return ["connecting", "Connecting…"];
    case "open":
      if (phone.retrySeconds > 0) return ["waiting", `The exchange is not ready, next try in ${phone.retrySeconds} s`];
      return ["open", "Signing in…"];
    case "waiting":
      return ["waiting", `No connection, next try in ${phone.retrySeconds} s`];
  }
}

void start();
