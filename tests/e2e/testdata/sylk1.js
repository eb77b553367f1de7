// A client of the first sylkRTC protocol (2015): events in envelopes with
// "data", no ping, no ringing. It shows what happens under the same ids as the
// softphone, and is driven by window.sylk1.
(() => {
  "use strict";
  const get = (id) => document.getElementById(id);
  const socket = new WebSocket(`ws://${location.host}/webrtcgateway/ws`, "sylkRTC-1");
  const waiting = new Map();
  let next = 1;
  let account = "";
  let call; // { session, connection, offer }

  function request(kind, fields) {
    const transaction = String(next++);
    socket.send(JSON.stringify({ sylkrtc: kind, transaction, ...fields }));
    return new Promise((done, failed) => waiting.set(transaction, { done, failed }));
  }

  function enter(state, words = "") {
    get("call-status").textContent = words;
    get("call").dataset.state = state;
  }

  socket.onmessage = ({ data: frame }) => {
    const message = JSON.parse(frame);
    const data = message.data ?? {};
    switch (message.sylkrtc) {
      case "ack":
        waiting.get(message.transaction)?.done();
        break;
      case "error":
        waiting.get(message.transaction)?.failed(new Error(message.error));
        break;
      case "event":
        if (message.event === "ready") get("connection").dataset.state = "ready";
        break;
      case "account_event":
        accountEvent(message, data);
        break;
      case "session_event":
        if (call?.session === message.session && message.event === "state") sessionState(data);
        break;
      default:
        throw new Error(`not a message of sylkRTC-1: ${frame.slice(0, 80)}`);
    }
  };

  function accountEvent(message, data) {
    switch (message.event) {
      case "registration_state":
        get("connection").dataset.state = data.state;
        break;
      case "incoming_session":
        if (!/^[0-9a-f]{32}$/.test(message.session)) throw new Error(`session id ${message.session}`);
        call = { session: message.session, offer: data.sdp };
        get("call-peer").textContent = data.originator.display_name || data.originator.uri;
        enter("incoming");
        break;
      case "missed_session":
        get("missed").textContent = data.originator.uri;
        break;
      default:
        throw new Error(`not an account event of sylkRTC-1: ${message.event}`);
    }
  }

  async function sessionState(data) {
    if (data.state === "terminated") {
      call.connection?.close();
      enter("ended", data.reason);
      return;
    }
    const known = { progress: "calling", accepted: "connecting", established: "established" };
    if (!known[data.state]) throw new Error(`not a state of sylkRTC-1: ${data.state}`);
    enter(known[data.state]); // before anything is awaited: the next state may come meanwhile
    if (data.state === "accepted" && data.sdp) await call.connection.setRemoteDescription({ type: "answer", sdp: data.sdp });
  }

  /** A connection with our media; candidates follow once the session is known. */
  async function connect(session, video, known) {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video });
    const connection = new RTCPeerConnection();
    const remote = new MediaStream();
    get("remote").srcObject = remote;
    connection.ontrack = ({ track }) => remote.addTrack(track);
    connection.onicecandidate = async ({ candidate }) => {
      await known;
      const list = candidate ? [{ candidate: candidate.candidate, sdpMLineIndex: candidate.sdpMLineIndex, sdpMid: candidate.sdpMid }] : [];
      if (connection.signalingState === "closed") return;
      await request("session-trickle", { session, candidates: list }).catch((error) => {
        // The call may have ended while candidates were still gathered.
        if (!/is terminated/.test(error.message)) throw error;
      });
    };
    return { connection, stream };
  }

  window.sylk1 = {
    async signIn(name, ha1) {
      account = name;
      await request("account-add", { account, password: ha1 });
      await request("account-register", { account });
    },
    async dial(uri, video) {
      const session = crypto.randomUUID().replaceAll("-", "");
      let introduce;
      const known = new Promise((done) => (introduce = done));
      const { connection, stream } = await connect(session, video, known);
      call = { session, connection };
      for (const track of stream.getTracks()) connection.addTrack(track, stream);
      await connection.setLocalDescription();
      enter("starting");
      const created = request("session-create", { session, account, uri, sdp: connection.localDescription.sdp });
      introduce();
      await created;
    },
    async accept(video) {
      const { session, offer } = call;
      // Browsers of the protocol's time take no other first offer.
      if (!/^a=setup:actpass\r$/m.test(offer)) throw new Error("the offer decides the DTLS role");
      let introduce;
      const known = new Promise((done) => (introduce = done));
      const { connection, stream } = await connect(session, video, known);
      call.connection = connection;
      await connection.setRemoteDescription({ type: "offer", sdp: offer });
      for (const track of stream.getTracks()) connection.addTrack(track, stream);
      await connection.setLocalDescription();
      const answered = request("session-answer", { session, sdp: connection.localDescription.sdp });
      introduce();
      await answered;
    },
    hangUp: () => request("session-terminate", { session: call.session }),
  };
})();
