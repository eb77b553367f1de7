// The phone: one signed-in account on one link, at most one call, and a list
// of recent calls. It holds what the page shows; the page calls its methods.

import { Call, type Exchange } from "./call";
import { code, inWords } from "./reasons";
import { browser, type LinkState, Link, Refused, retryAfter, Unsent } from "./sylk";
import { type Identity, type Message, identity, text } from "./wire";

/** Who uses the phone. The HA1 is a password equivalent: it is never shown. */
export interface Profile {
  account: string;
  ha1: string;
  name: string;
  number: string;
}

/** One line of the list of recent calls. */
export interface Recent {
  peer: Identity;
  direction: "out" | "in";
  words: string;
  missed: boolean;
  at: number;
  lasted: number;
}

const recentKept = 30;
// A missed-session event this soon after an incoming call's end is about it.
const missedWithin = 5_000;
// A call that the exchange has dropped from a lost link comes again this soon.
const offeredAnewWithin = 3_000;
const agent = "Tandem softphone";
// Refusals of an account that trying again does not cure. Every other passes:
// an exchange that is busy or being restarted.
const final = new Set([401, 403, 404, 904]);
const finalWords = /^(SIP domain not allowed|invalid SIP URI)/;

export class Phone implements Exchange {
  profile: Profile | undefined;
  /** The exchange has accepted the account, on this link or an earlier one. */
  signedIn = false;
  /** The exchange accepted the account on the current link. */
  registered = false;
  linkState: LinkState = "closed";
  /** Until the next attempt to connect or, on an open link, to register. */
  retrySeconds = 0;
  /** Why signing in failed, in words. */
  refusal = "";
  call: Call | undefined;
  recent: Recent[] = [];
  missed = 0;

  private readonly connection: Link;
  /** Sessions whose end the exchange could not be told yet. */
  private readonly owed = new Set<string>();
  /** The incoming call that the exchange has already called missed. */
  private missing: Call | undefined;
  /** The call in view, as the exchange offers it anew after a lost link. */
  private spare: Message | undefined;
  /** The exchange does not know the call in view any more. */
  private gone: Call | undefined;
  /** The exchange knows the account on the current link. */
  private added = false;
  private refusals = 0;
  private again: number | undefined;

  constructor(
    url: string,
    private readonly render: () => void,
  ) {
    this.connection = new Link(url, { link: (state, retry) => this.link(state, retry), event: (m) => this.event(m) });
  }

  signIn(profile: Profile): void {
    this.refusal = "";
    this.profile = profile;
    this.connection.open();
    this.render();
  }

  signOut(refusal = ""): void {
    this.call?.hangUp();
    this.call = undefined;
    this.profile = undefined;
    this.signedIn = false;
    this.registered = false;
    this.refusal = refusal;
    this.recent = [];
    this.missed = 0;
    this.owed.clear();
    this.refusals = 0;
    this.connection.close();
    this.render();
  }

  /** Tries to connect or register at once instead of waiting for the next attempt. */
  hurry(): void {
    if (this.linkState === "waiting") this.connection.open();
    else if (this.again !== undefined) this.registerAgain();
  }

  /** Places a call to user@domain, unless one is under way. */
  dial(peer: Identity, video: boolean): void {
    if (this.profile === undefined || (this.call !== undefined && !this.call.over)) return;
    const call = Call.to(peer, this.profile.account, this);
    this.call = call;
    this.render();
    void call.dial(video);
  }

  /** Puts an ended call away. */
  dismiss(): void {
    if (!this.call?.over) return;
    this.call = undefined;
    this.render();
  }

  /** The user has seen the missed calls. */
  seen(): void {
    if (this.missed === 0) return;
    this.missed = 0;
    this.render();
  }

  // Exchange, for calls.

  async request(kind: string, fields: Message): Promise<void> {
    try {
      await this.connection.request(kind, fields);
    } catch (error) {
      // A hang-up that could not be said is said when the link is back.
      if (error instanceof Unsent && kind === "session-terminate") this.owed.add(text(fields, "session"));
      throw error;
    }
  }

  changed(call: Call): void {
    if (call.over && call.ending !== undefined) this.log(call);
    this.render();
  }

  private link(state: LinkState, retrySeconds: number): void {
    this.linkState = state;
    this.stopTrying();
    this.retrySeconds = retrySeconds;
    if (state !== "open") {
      this.registered = false;
      this.added = false;
      this.unlinked();
    } else if (this.profile !== undefined) {
      void this.register(this.profile);
    }
    this.render();
  }

  /** Calls that have no media of their own yet do not outlive the link. */
  private unlinked(): void {
    const call = this.call;
    this.spare = undefined;
    if (call === undefined || call.over || call.state === "starting") return;
    if (call.state === "established") {
      call.detach();
      return;
    }
    this.owed.add(call.session);
    call.abandon("The connection to the exchange was lost");
  }

  private async register(profile: Profile): Promise<void> {
    const { account, ha1, name } = profile;
    const identified = name === "" ? {} : { display_name: name };
    try {
      if (!this.added) {
        await this.connection.request("account-add", { account, password: ha1, user_agent: agent, ...identified });
        this.added = true;
      }
      await this.connection.request("account-register", { account });
    } catch (error) {
      // A lost link comes back by itself.
      if (error instanceof Refused && this.profile === profile) this.refused(error.message);
    }
  }

  /** Signs out if the account is refused for good; otherwise calls go on, and it tries again. */
  private refused(reason: string): void {
    this.registered = false;
    if (final.has(code(reason)) || finalWords.test(reason)) {
      this.signOut(inWords(reason));
      return;
    }
    this.stopTrying();
    this.retrySeconds = retryAfter(this.refusals++);
    this.again = browser.after(this.retrySeconds * 1000, () => this.registerAgain());
    this.render();
  }

  private registerAgain(): void {
    this.stopTrying();
    if (this.profile !== undefined) void this.register(this.profile);
    this.render();
  }

  private stopTrying(): void {
    if (this.again !== undefined) browser.cancel(this.again);
    this.again = undefined;
    this.retrySeconds = 0;
  }

  private event(message: Message): void {
    const kind = text(message, "sylkrtc");
    if (kind === "session-event") {
      const session = text(message, "session");
      if (this.call?.session === session) this.call.handle(message);
      else if (text(message, "state") === "terminated" && text(this.spare ?? {}, "session") === session) this.spare = undefined;
      return;
    }
    if (kind !== "account-event" || text(message, "account") !== this.profile?.account) return;
    switch (text(message, "event")) {
      case "registration-state":
        this.registration(message);
        break;
      case "incoming-session":
        this.incoming(message);
        break;
      case "missed-session":
        this.note(identity(message, "originator"));
        break;
    }
  }

  private registration(message: Message): void {
    const state = text(message, "state");
    this.registered = state === "registered";
    if (state === "failed") {
      this.refused(text(message, "reason"));
      return;
    }
    if (this.registered) {
      this.refusals = 0;
      this.signedIn = true;
      for (const session of this.owed) this.connection.request("session-terminate", { session }).catch(() => undefined);
      this.owed.clear();
      void this.retake();
    }
    this.render();
  }

  /** Goes on, on a new link, with the call that the old one had. */
  private async retake(): Promise<void> {
    const { call } = this;
    if (!call?.detached || call.over) return;
    const outcome = await call.retake();
    if (this.call !== call || call.over) return;
    if (outcome === "taken") this.spare = undefined;
    if (outcome !== "gone") return;
    this.gone = call;
    if (this.spare !== undefined) {
      this.replace(call, this.spare);
      return;
    }
    browser.after(offeredAnewWithin, () => {
      if (this.gone === call) call.abandon("The connection to the exchange was lost for too long");
    });
  }

  /** Goes on with a call as the exchange offers it anew. */
  private replace(call: Call, message: Message): void {
    this.spare = undefined;
    this.gone = undefined;
    const next = Call.from(message, call.peer, call.account, this);
    next.since = call.since;
    this.call = next;
    call.supersede();
    void next.accept(call.hasCamera);
  }

  /** Reports whether a call that comes is the one in view, which the exchange offers anew. */
  private isAnew(message: Message): boolean {
    const id = text(message, "call_id");
    return id !== "" && this.call !== undefined && !this.call.over && this.call.detached && this.call.callId === id;
  }

  private incoming(message: Message): void {
    const session = text(message, "session");
    const peer = identity(message, "originator");
    // After a reconnect the exchange repeats what was not acknowledged.
    if (session === "" || session === this.call?.session || this.owed.has(session)) return;
    if (this.isAnew(message)) {
      if (this.gone === this.call) this.replace(this.call!, message);
      else this.spare = message;
      return;
    }
    if (this.call !== undefined && !this.call.over) {
      void this.request("session-terminate", { session }).catch(() => undefined);
      this.add({ peer, direction: "in", words: "Called while you were in a call", missed: true, at: Date.now(), lasted: 0 });
      this.render();
      return;
    }
    this.call = Call.from(message, peer, this.profile!.account, this);
    this.render();
  }

  /** A missed call: the one that has just stopped ringing here, or one that never rang. */
  private note(peer: Identity): void {
    const { call } = this;
    if (call?.state === "incoming" && call.peer.uri === peer.uri) {
      this.missing = call; // its end follows
      return;
    }
    const known = this.recent.find((r) => r.direction === "in" && r.peer.uri === peer.uri);
    if (known !== undefined && Date.now() - known.at < missedWithin) {
      if (!known.missed) this.missed++;
      known.missed = true;
      known.words = "Missed call";
    } else {
      this.add({ peer, direction: "in", words: "Missed call", missed: true, at: Date.now(), lasted: 0 });
    }
    this.render();
  }

  private log(call: Call): void {
    const missed = this.missing === call;
    const words = missed ? "Missed call" : call.lasted > 0 ? "" : call.ending!.words;
    this.add({ peer: call.peer, direction: call.direction, words, missed, at: Date.now(), lasted: call.lasted });
  }

  private add(entry: Recent): void {
    if (entry.missed) this.missed++;
    this.recent = [entry, ...this.recent].slice(0, recentKept);
  }
}
