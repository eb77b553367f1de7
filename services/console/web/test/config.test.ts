import assert from "node:assert/strict";
import test from "node:test";
import { endpointURL } from "../src/config";

test("where the endpoint is", () => {
  const plain = { protocol: "http:", host: "127.0.0.1:8080", hostname: "127.0.0.1" };
  const secure = { protocol: "https:", host: "[2001:db8::1]", hostname: "[2001:db8::1]" };
  assert.equal(endpointURL("", plain), "ws://127.0.0.1:8080/webrtcgateway/ws");
  assert.equal(endpointURL("", secure), "wss://[2001:db8::1]/webrtcgateway/ws");
  assert.equal(endpointURL(":8081/webrtcgateway/ws", plain), "ws://127.0.0.1:8081/webrtcgateway/ws");
  assert.equal(endpointURL(":8081/webrtcgateway/ws", secure), "wss://[2001:db8::1]:8081/webrtcgateway/ws");
  assert.equal(endpointURL("wss://sip.example.org/ws", plain), "wss://sip.example.org/ws");
});
