// The call: who, how far, the pictures, and what can be done now.

import { initials, readable, title } from "../address";
import type { Call, CallState } from "../call";
import type { Phone } from "../phone";
import type { Sounds } from "../sounds";
import { duration, get, say, show, write } from "./dom";
import { fillPad } from "./pad";

const words: Record<CallState, string> = {
  starting: "Opening the microphone…",
  calling: "Calling…",
  ringing: "Ringing…",
  incoming: "Incoming call",
  connecting: "Connecting…",
  established: "In call",
  ended: "Call ended",
};

// An ended call stays in view this long, unless the user closes it.
const lingers = 6_000;

export class CallView {
  private readonly view = get("call");
  private readonly remote = get<HTMLVideoElement>("remote");
  private readonly local = get<HTMLVideoElement>("local");
  private readonly pad = get("call-pad");
  private readonly timer = get("call-timer");
  private shown: Call | undefined;
  private state: CallState | undefined;
  private ticking: number | undefined;
  private leaving: number | undefined;

  constructor(
    private readonly phone: Phone,
    private readonly domain: string,
    private readonly sounds: Sounds,
    private readonly closed: () => void,
  ) {
    const on = (id: string, act: (call: Call) => void) =>
      get(id).addEventListener("click", () => phone.call !== undefined && act(phone.call));
    on("accept-audio", (call) => void call.accept(false));
    on("accept-video", (call) => void call.accept(true));
    on("decline", (call) => call.hangUp());
    on("hangup", (call) => call.hangUp());
    on("mute", (call) => call.setMuted(!call.muted));
    on("camera", (call) => {
      if (call.state === "established") void call.setVideo(!call.hasCamera);
      else call.setCameraOff(!call.cameraOff);
    });
    on("hold", (call) => void call.setHeld(!call.held));
    on("done", () => phone.dismiss());
    on("again", (call) => phone.dial(call.peer, call.hasCamera));
    get("keypad").addEventListener("click", () => this.openPad(this.pad.hidden));
    fillPad(this.pad, (digit) => this.press(digit), false);
    this.view.addEventListener("keydown", (event) => this.typed(event));
    this.remote.addEventListener("resize", () => this.picture());
  }

  render(): void {
    const { call } = this.phone;
    this.sounds.follow(call?.early ? undefined : call?.state);
    if (call !== this.shown) this.change(call);
    if (call === undefined) return;
    this.describe(call);
    this.streams(call);
    this.controls(call);
    if (call.state !== this.state) this.moved(call);
  }

  /** Another call is in view, or none. */
  private change(call: Call | undefined): void {
    this.shown = call;
    this.state = undefined;
    window.clearInterval(this.ticking);
    window.clearTimeout(this.leaving);
    this.openPad(false);
    show(this.view, call !== undefined);
    for (const element of document.querySelectorAll<HTMLElement>("header, main")) element.inert = call !== undefined;
    if (call === undefined) {
      this.view.dataset["state"] = "";
      this.closed();
    }
  }

  private describe(call: Call): void {
    const name = title(call.peer, this.domain);
    const address = call.peer.uri.replace(/^sips?:/i, "");
    write(get("call-peer"), name);
    say(get("call-address"), readable(address, this.domain) === name ? "" : address);
    write(get("call-initials"), initials(name));
    const kind = call.offersVideo ? "Incoming video call" : words.incoming;
    const status = call.state === "incoming" ? kind : words[call.state];
    write(get("call-status"), call.ending?.words ?? status);
    say(get("call-note"), call.over ? "" : this.offline(call) || call.remark);
    document.title = call.over ? "Tandem" : `${name} · ${status}`;
  }

  private offline(call: Call): string {
    return call.state === "established" && !this.phone.registered ? "No connection to the exchange, trying again" : "";
  }

  private streams(call: Call): void {
    const remote = call.over ? null : (call.remote ?? null);
    if (this.remote.srcObject !== remote) this.remote.srcObject = remote;
    const local = call.over || !call.hasCamera ? null : call.local!;
    if (this.local.srcObject !== local) this.local.srcObject = local;
    show(this.local, local !== null && !call.cameraOff);
    this.picture();
  }

  /** The picture takes the whole view once the other side sends one. */
  private picture(): void {
    const stream = this.remote.srcObject as MediaStream | null;
    const sent = stream?.getVideoTracks().some((track) => track.readyState === "live" && !track.muted) ?? false;
    const live = sent && this.remote.videoWidth > 0;
    this.view.classList.toggle("picture", live);
  }

  private controls(call: Call): void {
    const incoming = call.state === "incoming";
    show(get("controls-incoming"), incoming);
    show(get("accept-video"), call.offersVideo);
    show(get("controls-live"), !incoming && !call.over);
    show(get("controls-ended"), call.over);
    const established = call.state === "established";
    const { mute, camera, keypad } = { mute: get("mute"), camera: get<HTMLButtonElement>("camera"), keypad: get("keypad") };
    mute.setAttribute("aria-pressed", String(call.muted));
    write(mute.lastChild!, call.muted ? "Unmute" : "Mute");
    show(camera, call.hasCamera || established);
    camera.disabled = call.changing || call.held;
    camera.setAttribute("aria-pressed", String(call.cameraOff));
    const video = call.hasCamera ? "Stop video" : "Add video";
    write(camera.lastChild!, established ? video : call.cameraOff ? "Camera on" : "Camera off");
    const hold = get<HTMLButtonElement>("hold");
    show(hold, established);
    hold.disabled = call.changing;
    hold.setAttribute("aria-pressed", String(call.held));
    write(hold.lastChild!, call.held ? "Resume" : "Hold");
    show(keypad, established);
  }

  private moved(call: Call): void {
    this.state = call.state;
    this.view.dataset["state"] = call.state;
    const focus: Partial<Record<CallState, string>> = { incoming: "accept-audio", starting: "hangup", connecting: "hangup", ended: "done" };
    const id = focus[call.state];
    if (id !== undefined) get(id).focus();
    window.clearInterval(this.ticking);
    this.tick(call);
    show(this.timer, call.since > 0);
    if (call.state === "established") this.ticking = window.setInterval(() => this.tick(call), 1000);
    if (call.state === "ended") {
      this.openPad(false);
      this.leaving = window.setTimeout(() => this.phone.dismiss(), lingers);
    }
  }

  private tick(call: Call): void {
    if (call.since > 0) write(this.timer, duration(call.over ? call.lasted : Date.now() - call.since));
  }

  private openPad(open: boolean): void {
    show(this.pad, open);
    get("keypad").setAttribute("aria-expanded", String(open));
  }

  private press(digit: string): void {
    this.sounds.key(digit);
    this.phone.call?.press(digit);
  }

  /** Digits typed in a call are keys of the pad. */
  private typed(event: KeyboardEvent): void {
    if (/^[0-9*#]$/.test(event.key) && this.phone.call?.state === "established") {
      this.press(event.key);
      event.preventDefault();
    }
  }
}
