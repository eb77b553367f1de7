// What the phone lets its user hear besides the call: ringing, the other
// side's ringing, and keys. All sounds are made here; none are loaded.

// The frequencies of RFC 4733 section 3.2 for each row and column of the pad.
const rows = [697, 770, 852, 941];
const columns = [1209, 1336, 1477];
const pad = "123456789*0#";

interface Cadence {
  tones: number[];
  /** Seconds of sound and of silence, in turn. */
  pattern: number[];
  level: number;
}

const ring: Cadence = { tones: [480, 620], pattern: [0.4, 0.2, 0.4, 2], level: 0.12 };
const ringback: Cadence = { tones: [425], pattern: [1, 4], level: 0.05 };

export class Sounds {
  private context: AudioContext | undefined;
  private playing: Cadence | undefined;
  private stopPlaying: (() => void) | undefined;

  /** Plays what belongs to a call's state, and nothing else. */
  follow(state: string | undefined): void {
    const cadence = state === "incoming" ? ring : state === "ringing" ? ringback : undefined;
    if (cadence === this.playing) return;
    this.stopPlaying?.();
    this.playing = cadence;
    this.stopPlaying = cadence && this.loop(cadence);
  }

  /** The sound of one key. */
  key(digit: string): void {
    const at = pad.indexOf(digit);
    if (at >= 0) this.beep([rows[Math.floor(at / 3)]!, columns[at % 3]!], 0.12, 0.04);
  }

  private loop(cadence: Cadence): () => void {
    let timer = 0;
    let step = 0;
    let silence = () => {};
    const next = () => {
      const seconds = cadence.pattern[step % cadence.pattern.length]!;
      if (step % 2 === 0) silence = this.beep(cadence.tones, seconds, cadence.level);
      step++;
      timer = window.setTimeout(next, seconds * 1000);
    };
    next();
    return () => {
      window.clearTimeout(timer);
      silence();
    };
  }

  /** Plays tones together for some seconds; the result stops them early. */
  private beep(tones: number[], seconds: number, level: number): () => void {
    try {
      const context = (this.context ??= new AudioContext());
      // A page that was not touched yet may make no sound: nothing is queued.
      if (context.state !== "running") {
        void context.resume();
        return () => {};
      }
      const gain = context.createGain();
      gain.gain.value = level;
      gain.connect(context.destination);
      for (const frequency of tones) {
        const source = context.createOscillator();
        source.frequency.value = frequency;
        source.connect(gain);
        source.start();
        source.stop(context.currentTime + seconds);
      }
      return () => gain.disconnect();
    } catch {
      return () => {};
    }
  }
}
