// Microphone and camera, and the tracks of one call's peer connection.

/** What a call may send. */
export interface Wanted {
  video: boolean;
}

/** Why no microphone could be had, in words. */
export class NoMedia extends Error {}

/**
 * The microphone, and the camera if wanted. Without a usable camera the call
 * goes on with sound only; without a microphone it rejects with NoMedia.
 */
export async function capture(wanted: Wanted): Promise<MediaStream> {
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (devices === undefined) throw new NoMedia("This page needs https to use the microphone");
  const video = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" };
  if (wanted.video) {
    try {
      return await devices.getUserMedia({ audio: true, video });
    } catch {
      // The camera may be missing, in use or refused; the microphone decides.
    }
  }
  try {
    return await devices.getUserMedia({ audio: true });
  } catch (error) {
    throw new NoMedia(explain(error));
  }
}

function explain(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "This page may not use the microphone";
  if (name === "NotFoundError") return "No microphone was found";
  if (name === "NotReadableError") return "The microphone is in use by another program";
  return "The microphone could not be opened";
}

/** Ends capture: the browser's recording mark goes away. */
export function release(stream: MediaStream | undefined): void {
  stream?.getTracks().forEach((track) => track.stop());
}

/** Reports whether a session description offers video that can be received. */
export function hasVideo(sdp: string): boolean {
  const section = sdp.split(/\r?\n(?=m=)/).find((part) => part.startsWith("m=video "));
  if (section === undefined || /^m=video 0 /.test(section)) return false;
  return !/^a=(inactive|recvonly)\s*$/m.test(section);
}

/**
 * Adds what is captured to a connection. An offer has video only if the camera
 * is sent. For an answer, set the remote description first: the tracks then
 * take its transceivers, and video that meets no camera is only received.
 */
export function send(connection: RTCPeerConnection, stream: MediaStream): void {
  for (const track of stream.getTracks()) connection.addTrack(track, stream);
}

/** Sends one DTMF digit as RFC 4733 events; reports whether the call can. */
export function tone(connection: RTCPeerConnection, digit: string): boolean {
  const sender = connection.getSenders().find((s) => s.track?.kind === "audio");
  const dtmf = sender?.dtmf;
  if (!dtmf || !dtmf.canInsertDTMF) return false;
  dtmf.insertDTMF(dtmf.toneBuffer + digit, 160, 70);
  return true;
}
