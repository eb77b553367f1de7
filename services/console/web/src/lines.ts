// The media lines of a call's peer connection: on hold or not, with a camera or
// without.

import { release } from "./media";

/** Takes a call's lines off while it is on hold, and puts them back as they were. */
export class Hold {
  private readonly before = new Map<RTCRtpTransceiver, RTCRtpTransceiverDirection>();

  /** Holds every line; also those that have come since it was last called. */
  apply(connection: RTCPeerConnection): void {
    for (const line of connection.getTransceivers()) {
      if (line.direction === "stopped" || this.before.has(line)) continue;
      this.before.set(line, line.direction);
      line.direction = "inactive";
    }
  }

  lift(): void {
    for (const [line, direction] of this.before) if (line.direction !== "stopped") line.direction = direction;
    this.before.clear();
  }
}

/** Reports whether the other side's description stops what it is sent. */
export function holds(sdp: string): boolean {
  const audio = sdp.split(/\r?\n(?=m=)/).find((part) => part.startsWith("m=audio "));
  return audio !== undefined && !/^m=audio 0 /.test(audio) && /^a=(sendonly|inactive)\s*$/m.test(audio);
}

/** Opens the camera and sends it, on the line that is there or on a new one. */
export async function startCamera(connection: RTCPeerConnection, local: MediaStream): Promise<void> {
  const video = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" };
  const captured = await navigator.mediaDevices.getUserMedia({ video });
  const track = captured.getVideoTracks()[0];
  if (track === undefined || connection.signalingState === "closed") {
    release(captured);
    return;
  }
  local.addTrack(track);
  const line = videoLine(connection);
  if (line === undefined) {
    connection.addTrack(track, local);
    return;
  }
  await line.sender.replaceTrack(track);
  line.sender.setStreams?.(local);
  line.direction = receives(line.direction) ? "sendrecv" : "sendonly";
}

/** Closes the camera; what the other side sends goes on. */
export async function stopCamera(connection: RTCPeerConnection, local: MediaStream): Promise<void> {
  for (const line of connection.getTransceivers()) {
    const { track } = line.sender;
    if (track?.kind !== "video" || line.direction === "stopped") continue;
    await line.sender.replaceTrack(null);
    line.direction = receives(line.direction) ? "recvonly" : "inactive";
  }
  for (const track of local.getVideoTracks()) {
    track.stop();
    local.removeTrack(track);
  }
}

/** Reports whether a camera that is sent does not arrive: the other side takes no video. */
export function unseen(connection: RTCPeerConnection): boolean {
  const lines = connection.getTransceivers().filter((line) => line.sender.track?.kind === "video");
  return lines.length > 0 && lines.every((line) => line.currentDirection !== null && !/^send/.test(line.currentDirection));
}

/** A video line that nothing is sent on. */
function videoLine(connection: RTCPeerConnection): RTCRtpTransceiver | undefined {
  return connection
    .getTransceivers()
    .find((line) => line.direction !== "stopped" && line.sender.track === null && line.receiver.track.kind === "video");
}

function receives(direction: RTCRtpTransceiverDirection): boolean {
  return direction === "sendrecv" || direction === "recvonly";
}
