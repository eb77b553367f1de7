// Runs in every page before the page's own scripts. It adds nothing that the
// page can see; it remembers the page's peer connections and measures what
// arrives on them.
(() => {
  const connections = [];
  let context;

  class Connection extends RTCPeerConnection {
    constructor(...args) {
      super(...args);
      const seen = { connection: this, audio: undefined };
      connections.push(seen);
      this.addEventListener("track", ({ track }) => {
        if (track.kind !== "audio") return;
        seen.audio = track; // again after a hold, when the track plays anew
        seen.analyser = undefined;
      });
    }
  }
  window.RTCPeerConnection = Connection;

  // The browser's clean-up of voices would take a steady tone for noise.
  const devices = navigator.mediaDevices;
  if (devices) {
    const capture = devices.getUserMedia.bind(devices);
    devices.getUserMedia = (wanted) => {
      const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      return capture(wanted && wanted.audio ? { ...wanted, audio: raw } : wanted);
    };
  }

  /** The strongest frequency in a spectrum, between its bins, in hertz; 0 for silence. */
  function peak(analyser, rate) {
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    let best = 1;
    for (let i = 2; i < bins.length - 1; i++) if (bins[i] > bins[best]) best = i;
    if (!(bins[best] > -60)) return 0;
    const [left, middle, right] = [bins[best - 1], bins[best], bins[best + 1]];
    const shift = (left - right) / (2 * (left - 2 * middle + right)) || 0;
    return ((best + shift) * rate) / analyser.fftSize;
  }

  function analyse(seen) {
    if (seen.analyser || !seen.audio) return seen.analyser;
    context ??= new AudioContext();
    seen.analyser = context.createAnalyser();
    seen.analyser.fftSize = 8192;
    seen.analyser.smoothingTimeConstant = 0;
    context.createMediaStreamSource(new MediaStream([seen.audio])).connect(seen.analyser);
    return seen.analyser;
  }

  /** What the page's newest connection receives now, and how much it has sent. */
  const received = async () => {
    const seen = connections.at(-1);
    if (!seen) return { hertz: 0, frames: 0, width: 0, state: "none", packets: 0, sent: 0 };
    const analyser = analyse(seen);
    const result = { hertz: 0, frames: 0, width: 0, state: seen.connection.connectionState, packets: 0, sent: 0 };
    if (analyser) result.hertz = peak(analyser, context.sampleRate);
    for (const report of (await seen.connection.getStats()).values()) {
      if (report.type === "outbound-rtp" && report.kind === "audio") result.sent = report.packetsSent ?? 0;
      if (report.type !== "inbound-rtp") continue;
      if (report.kind === "audio") result.packets = report.packetsReceived ?? 0;
      if (report.kind === "video") {
        result.frames = report.framesDecoded ?? 0;
        result.width = report.frameWidth ?? 0;
      }
    }
    return result;
  };
  Object.defineProperty(window, "tandemTestReceived", { value: received });
})();
