import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { ha1, md5 } from "../src/md5";

test("RFC 1321 appendix A.5", () => {
  const suite: Record<string, string> = {
    "": "d41d8cd98f00b204e9800998ecf8427e",
    a: "0cc175b9c0f1b6a831c399e269772661",
    "message digest": "f96b697d7cb7938d525a2f31aaf161d0",
    "12345678901234567890123456789012345678901234567890123456789012345678901234567890": "57edf4a22be3c955ac49da2e2107b67a",
  };
  for (const [text, want] of Object.entries(suite)) assert.equal(md5(text), want);
});

test("every length around the block borders, and text that is not ASCII", () => {
  for (let n = 0; n < 300; n++) {
    const text = "x€ü".repeat(n).slice(0, n);
    assert.equal(md5(text), createHash("md5").update(text, "utf8").digest("hex"), `length ${n}`);
  }
});

test("HA1 of RFC 2617 section 3.5", () => {
  assert.equal(ha1("Mufasa", "testrealm@host.com", "Circle Of Life"), "939e7578ed9e3c518a452acee763bce9");
});
